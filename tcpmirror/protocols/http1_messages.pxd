from tcpmirror.model.exchange cimport Request, Response
from tcpmirror.protocols.half cimport Half


cdef Request request_of(Half half)
cdef bint is_simple(Request request)
cdef Response response_of(Half half, bytes read_as, int status)
cdef bytes mend(Half half)
