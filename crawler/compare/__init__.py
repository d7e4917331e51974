"""Which concurrency model suits a work: experiments, measured so that an expert believes them.

An experiment (`experiment`) is a claim, predictions and arms. `runner` runs every arm once a round,
each in a fresh process (`child`), in an order drawn by chance. `judgement` compares the arms over
the rounds (`statistics`) and holds what came out against what was predicted. `result` keeps it all,
`report` shows it.
"""
