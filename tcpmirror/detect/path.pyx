# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Paths as tokens: what a value would be as the name of a file, on Unix and on Windows.

One character a token:

    / separator: any run of slashes and backslashes     . a folder itself     U a step up
    J a step up that only some servers see: dots with a matrix parameter, a blank or a control behind, as an overlong or ANSI cut
      leaves them    D three dots or more
    d drive (``c:``)    E a folder that only systems have at their top (etc, windows ...)    R another one of theirs (var, home ...)
    S a file that tells a system's secrets (passwd, win.ini ...)    T another one of theirs (hosts, version ...)
    A what an application keeps to itself (web.config, .env, .ssh ...)    a its settings (config.php ...)
    L a log or settings by its ending    e a name that pages link to (.js, .png ...)    h another hidden name    n another name
    H address of another host (``http:``)    P scheme that reads or unpacks files (``php:``, ``zip:`` ...)
    0 NUL    ? query or fragment    x what no path holds: blanks, quotes, brackets, an equals sign

A separator may be spelt out, as decoders that failed half-way leave it behind dots: ``..2f``, ``..0x5c``, ``..%u2215``.
Linear; at most `TOKENS` tokens are looked at.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

DEF TOKENS = 512
DEF WORD = 32

ctypedef unsigned char uchar

# Names in lower case. Sources: the Filesystem Hierarchy Standard 3.0, and what Windows and servers install by default.
cdef dict _NAMES = {
    name.encode(): ord(kind)
    for kind, names in {
        "E": "etc proc windows winnt winnt40 system32 syswow64 inetpub inetsrv",
        "R": "var usr bin sbin root boot dev sys lib opt home tmp run srv mnt xampp wamp lampp apache apache2 httpd nginx mysql"
             " private library volumes programdata users",
        "S": "passwd shadow gshadow master.passwd sudoers crontab fstab mtab resolv.conf os-release redhat-release debian_version"
             " lsb-release cmdline cpuinfo meminfo sched_debug win.ini system.ini boot.ini php.ini my.ini my.cnf httpd.conf"
             " apache2.conf nginx.conf lighttpd.conf vsftpd.conf proftpd.conf sshd_config inetd.conf smb.conf ntuser.dat"
             " unattend.xml sysprep.inf hiberfil.sys pagefile.sys autoexec.bat config.sys iis6.log setupinfo metabase.xml"
             " applicationhost.config tomcat-users.xml access_log error_log access.log error.log auth.log lastlog utmp wtmp"
             " proftpd.log vsftpd.log id_rsa id_dsa id_ecdsa id_ed25519 authorized_keys known_hosts cmd.exe regedit.exe krb5.conf"
             " odbc.ini nsswitch.conf hosts.allow hosts.deny",
        "T": "hosts group hostname issue motd networks environ mounts version self sam security syslog secure messages profile"
             " services protocols shells aliases exports credentials stat status maps fd net",
        "A": "web.config wp-config.php web.xml .env .htaccess .htpasswd .git .svn .ssh .aws .bash_history .bashrc .profile .netrc"
             " .pgpass .kube .docker .npmrc .viminfo .xauthority .rhosts .mysql_history web-inf meta-inf global.asax global.asa",
        "a": "wp-config settings.py settings.php local_settings.py database.yml database.php config.php config.inc.php"
             " configuration.php config.inc secrets.yml secrets.json appsettings.json application.properties application.yml"
             " localsettings.php parameters.yml hibernate.cfg.xml context.xml log4j.properties passwords.txt",
        "e": "js mjs cjs ts tsx jsx css scss less map md vue svelte html htm xhtml png jpg jpeg gif svg webp avif ico woff woff2 ttf"
             " mp3 mp4 webm pdf go rs java rb h hpp c cc cpp py",
        "L": "log conf cnf cfg ini bak inc",
        "P": "php phar zip zlib expect glob data file rar ogg compress.zlib compress.bzip2 bzip2 ssh2.exec ssh2.sftp jar netdoc",
        "H": "http https ftp ftps smb",
    }.items()
    for name in names.split()
}
cdef dict _ENDINGS = {name: kind for name, kind in _NAMES.items() if kind in (101, 76)}  # e L
cdef dict _SCHEMES = {name: kind for name, kind in _NAMES.items() if kind in (80, 72)}  # P H
cdef dict _PLACES = {name: kind for name, kind in _NAMES.items() if kind in (69, 82, 83, 84, 65, 97)}  # E R S T A a


cdef inline bint _is_slash(uchar byte) noexcept nogil:
    return byte == 47 or byte == 92


cdef inline bint _is_name(uchar byte) noexcept nogil:
    """Letters, digits and the marks of file names; of blanks `_joins` tells."""
    return 97 <= (byte | 32) <= 122 or 48 <= byte <= 57 or byte >= 128 or byte in (46, 95, 45, 36, 126, 43, 64, 37, 33, 123, 125)


cdef inline uchar _lower(uchar byte) noexcept nogil:
    return byte | 32 if 65 <= byte <= 90 else byte


cdef bytes _word(const uchar* data, Py_ssize_t size):
    """Return *size* bytes in lower case; nothing where no name is that long."""
    cdef uchar lower[WORD]
    cdef Py_ssize_t at
    if size > WORD:
        return b""
    for at in range(size):
        lower[at] = _lower(data[at])
    return PyBytes_FromStringAndSize(<char*>lower, size)


cdef int _kind(const uchar* data, Py_ssize_t size):
    """Return the token of a name; trailing dots and tildes are none of it, as Windows and editors have it."""
    cdef Py_ssize_t dot
    while size > 1 and data[size - 1] in (46, 126):
        size -= 1
    kind = _PLACES.get(_word(data, size))
    if kind is not None:
        return kind
    dot = size - 1
    while dot > 0 and data[dot] != 46:
        dot -= 1
    if dot > 0:
        kind = _ENDINGS.get(_word(data + dot + 1, size - dot - 1))
        if kind is not None:
            return kind
        kind = _PLACES.get(_word(data, dot))  # passwd.dat, passwd%00.html
        if kind in (83, 65):
            return kind
    return 104 if data[0] == 46 else 110


cdef inline Py_ssize_t _spelt_slash(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Return how many bytes at *at* spell a slash: ``2f``, ``5c``, ``0x2f``, ``%2f``, ``%252f``, ``%u2215``; 0 for none."""
    cdef Py_ssize_t start = at
    if at < size and data[at] == 37:
        at += 1
        while at + 1 < size and data[at] == 50 and data[at + 1] == 53:
            at += 2
    elif at + 1 < size and data[at] == 48 and _lower(data[at + 1]) == 120:
        at += 2
    if at + 4 < size and _lower(data[at]) == 117 and data[at + 1] == 50 and data[at + 2] == 50 and data[at + 3] == 49:
        return at + 5 - start if data[at + 4] in (53, 54) else 0
    if at + 1 < size and (data[at] == 50 and _lower(data[at + 1]) == 102 or data[at] == 53 and _lower(data[at + 1]) == 99):
        return at + 2 - start
    return 0


cdef inline Py_ssize_t _dots_end(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    while at < size and data[at] == 46:
        at += 1
    return at


cdef Py_ssize_t _disguised_end(const uchar* data, Py_ssize_t size, Py_ssize_t at) noexcept nogil:
    """Return where what hides a step up ends, up to its separator: ``;x``, blanks, controls, a lone byte of overlong UTF-8; or *at*."""
    cdef Py_ssize_t stop = at
    if at < size and data[at] == 59:
        stop += 1
        while stop < size and stop < at + 12 and (_is_name(data[stop]) and data[stop] != 46 or data[stop] == 61):
            stop += 1
    else:
        while stop < size and stop < at + 4 and (data[stop] <= 32 or data[stop] in (192, 193, 94, 63)):
            stop += 1
    return stop if stop < size and _is_slash(data[stop]) else at


cdef bint _joins(const uchar* data, Py_ssize_t size, Py_ssize_t at, bint windows) noexcept nogil:
    """Tell whether the blank at *at* stands inside a name of Windows, such as ``Program Files``: a separator follows soon."""
    cdef Py_ssize_t stop = at + 1
    while stop < size and stop < at + 24 and (_is_name(data[stop]) or data[stop] == 32):
        stop += 1
    return stop < size and stop > at + 1 and data[stop - 1] != 32 and (data[stop] == 92 or windows and data[stop] == 47)


cdef Py_ssize_t _tokenize(const uchar* data, Py_ssize_t size, uchar* out):
    """Write the tokens on to *out*; return how many."""
    cdef Py_ssize_t end = 0, at = 0, start, stop, spelt
    cdef bint begins = True  # a name may begin here: at the start, behind a separator or what no path holds
    cdef bint spells = False  # a separator was spelt out
    cdef bint windows = False  # the last separator was a backslash
    cdef uchar byte
    cdef int kind
    while at < size and end < TOKENS:
        byte = data[at]
        start = at
        if _is_slash(byte):
            while at < size and _is_slash(data[at]):
                windows = data[at] == 92
                at += 1
            out[end], end, begins = 47, end + 1, True
            continue
        if byte == 46:
            stop = _dots_end(data, size, at)
            spelt = _spelt_slash(data, size, stop) if stop - at == 2 else 0
            if spelt:
                spells = True
                out[end], end, at, begins = 74, end + 1, stop + spelt, True
                if end < TOKENS:
                    out[end], end = 47, end + 1
                continue
            if stop >= size or not _is_name(data[stop]) or _disguised_end(data, size, stop) > stop:
                kind = 46 if stop - at == 1 else 85 if stop - at == 2 else 68
                at = _disguised_end(data, size, stop)
                if at > stop and kind == 85:
                    kind = 74
                if begins or kind != 46:  # "name..": what climbs may follow whatever a filter or an application put in front
                    out[end], end = <uchar>kind, end + 1
                begins = False
                continue
        if byte == 0:
            out[end], end, at, begins = 48, end + 1, at + 1, True
        elif byte == 63 or byte == 35:
            out[end], end, at, begins = 63, end + 1, at + 1, True
        elif byte == 58 and end and start and begins is False:
            stop = start
            while stop > 0 and _is_name(data[stop - 1]):
                stop -= 1
            kind = 100 if start - stop == 1 else (_SCHEMES.get(_word(data + stop, start - stop)) or 0)
            if kind:
                out[end - 1] = <uchar>kind
            else:
                out[end], end = 120, end + 1
            at += 1
            begins = True
        elif _is_name(byte):
            while at < size and _is_name(data[at]):
                if data[at] == 46 and at > start:  # "x../": the dots are a step of their own
                    stop = _dots_end(data, size, at)
                    if stop - at >= 2 and (stop >= size or _is_slash(data[stop]) or _spelt_slash(data, size, stop)):
                        break
                at += 1
                if spells and _spelt_slash(data, size, at):
                    break
                if at < size and data[at] == 32 and _joins(data, size, at, windows):
                    at += 1
            kind = _kind(data + start, at - start)
            out[end], end, begins = <uchar>kind, end + 1, False
            spelt = _spelt_slash(data, size, at) if spells else 0
            if spelt and end < TOKENS:
                out[end], end, at, begins = 47, end + 1, at + spelt, True
        else:
            at += 1
            if end == 0 or out[end - 1] != 120:
                out[end], end = 120, end + 1
            begins = True
    return end


def tokens(bytes value):
    """Return the tokens of *value*."""
    cdef uchar out[TOKENS + 2]
    cdef Py_ssize_t count = _tokenize(<const uchar*>PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), out)
    return PyBytes_FromStringAndSize(<char*>out, count).decode("ascii")
