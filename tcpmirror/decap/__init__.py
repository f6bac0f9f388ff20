"""From a frame to a TCP segment: link layers, tags, tunnels, IP, one module each, walked by `decapsulator`."""
