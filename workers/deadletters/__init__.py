"""Dead letters after the fact: finding them, sending them back to the input exactly once, deleting them.

For the person who has to look at what failed. Knows topics and letters; neither models nor the pipeline.
"""
