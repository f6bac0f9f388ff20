from tcpmirror.model.heads cimport Span


cdef struct Told:
    # What tells whose a request is; NULL where it does not say.
    Span host, agent, cookie, authorization
    bint has_more  # headers that are wanted beside these


cdef void tell(bytes head, tuple more, unsigned int letters, Told* told)
