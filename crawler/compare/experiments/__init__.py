"""One module an experiment: the claim, the predictions, the work, the verdict."""
