"""From capture to a worker: which worker (flow hash), by which memory (rings), and what to leave out under overload."""
