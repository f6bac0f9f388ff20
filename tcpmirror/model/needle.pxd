cpdef bint holds(bytes text, bytes needle) noexcept
