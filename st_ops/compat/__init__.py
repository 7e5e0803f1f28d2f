"""The modules a StackStorm pack imports, by StackStorm's names, for child processes only.

This folder (not the package) stands at the end of ``sys.path`` of the processes that run pack code; the platform
never imports it. What is here is what packs use; the names, arguments and behaviour are StackStorm's (reference 1.4,
1.5), the code is ours. Standard library only, Python 3.8 and later.
"""
