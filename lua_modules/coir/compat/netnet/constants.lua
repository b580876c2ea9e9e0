--- coir.compat.netnet.constants: the names of winsock2.h that NetNet's scripts use, with this
--- system's values.
local errno = require 'coir.errno'
local names = require('coir.socket').internal

local SOL_SOCKET = names.SO_OPT[1] and names.SO_OPT[1].SO_REUSEADDR and 1 or 0xffff
local linux = SOL_SOCKET == 1

local constants = {
  AF_INET = names.DOMAIN.AF_INET, AF_INET6 = names.DOMAIN.AF_INET6,
  SOCK_STREAM = names.SO_TYPE.SOCK_STREAM, SOCK_DGRAM = names.SO_TYPE.SOCK_DGRAM,
  IPPROTO_TCP = names.protocols.tcp, IPPROTO_UDP = names.protocols.udp, SOL_SOCKET = SOL_SOCKET,
  TCP_NODELAY = names.SO_OPT[names.protocols.tcp].TCP_NODELAY,
  FIONBIO = linux and 0x5421 or 0x8004667e, FIONREAD = linux and 0x541b or 0x4004667f,
  SD_RECEIVE = 0, SD_SEND = 1, SD_BOTH = 2,
  INADDR_ANY = 0, INADDR_LOOPBACK = 0x7f000001,
  SOCKET_ERROR = -1, INVALID_SOCKET = -1,
}
for _, name in ipairs { 'SO_REUSEADDR', 'SO_KEEPALIVE', 'SO_BROADCAST', 'SO_LINGER', 'SO_SNDBUF', 'SO_RCVBUF',
                        'SO_ERROR', 'SO_TYPE' } do
  constants[name] = names.SO_OPT[SOL_SOCKET][name]
end

--- Winsock's error names are the errno numbers, but for the one that polling loops compare with a
--- string.
for _, name in ipairs { 'INTR', 'BADF', 'ACCES', 'FAULT', 'INVAL', 'MFILE', 'INPROGRESS', 'ALREADY', 'NOTSOCK',
                        'DESTADDRREQ', 'MSGSIZE', 'PROTOTYPE', 'NOPROTOOPT', 'PROTONOSUPPORT', 'SOCKTNOSUPPORT',
                        'OPNOTSUPP', 'PFNOSUPPORT', 'AFNOSUPPORT', 'ADDRINUSE', 'ADDRNOTAVAIL', 'NETDOWN',
                        'NETUNREACH', 'NETRESET', 'CONNABORTED', 'CONNRESET', 'NOBUFS', 'ISCONN', 'NOTCONN',
                        'SHUTDOWN', 'TOOMANYREFS', 'TIMEDOUT', 'CONNREFUSED', 'LOOP', 'NAMETOOLONG', 'HOSTDOWN',
                        'HOSTUNREACH', 'NOTEMPTY', 'USERS', 'DQUOT', 'STALE' } do
  constants['WSAE' .. name] = errno['E' .. name]
end
constants.WSAEWOULDBLOCK = 'wouldblock'

return constants
