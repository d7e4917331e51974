"""Experiments that tell which concurrency model suits a work, measured to convince an expert.

An experiment (`experiment`) is a claim, predictions and arms. `runner` runs every arm once a round,
each in a fresh process (`child`), in an order drawn by chance. `judgement` compares the arms over
the rounds (`statistics`) and holds what came out against what was predicted. `result` keeps it all,
`report` shows it.
"""
