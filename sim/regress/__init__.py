"""Regression: what did this edit break, cost and leave untested?"""
