"""The four enrichments: what they ask, what an answer is, how answers of windows become one."""
