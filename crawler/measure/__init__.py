"""Histograms, intervals, quantities and the machine; shared by load and compare."""
