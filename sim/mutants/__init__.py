"""Mutation: does the suite notice when one thing in the RTL is changed?"""
