"""Data parallel training: several processes compute the gradient of one step together.

The process of rank 0 leads. It alone decides, validates, writes files and shows progress (:mod:`.leader`).
The others compute their share of the steps that it asks for (:mod:`.follower`).
"""
