"""The inventory of APIs: which hosts, endpoints and parameters there are, learned from the exchanges that pass.

A worker observes exchanges (`observer`) and hands on digests now and then (`digest`), which merge in any order. What they
add up to becomes an inventory (`inventory`) with path templates (`templates`), the same from any number of workers.
"""
