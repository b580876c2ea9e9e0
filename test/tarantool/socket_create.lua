-- socket_create.lua: the constructor `socket(domain, type, protocol)`: what it accepts, how it
-- fails, what a new socket is like, and the tables of names in `socket.internal`.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'
local errno = require 'errno'

-- A constructor's outcome in a word: `open`, or the error's name.
local function create(domain, kind, protocol)
  errno(0)
  local s = socket(domain, kind, protocol)
  if s == nil then return t.errno(errno()) end
  s:close()
  return 'open'
end

t.case('names and numbers', function()
  t.check('TCP', create('AF_INET', 'SOCK_STREAM', 'tcp'))
  t.check('TCP, PF name', create('PF_INET', 'SOCK_STREAM', 'tcp'))
  t.check('TCP, protocol 0', create('AF_INET', 'SOCK_STREAM', 0))
  t.check('TCP, protocol ip', create('AF_INET', 'SOCK_STREAM', 'ip'))
  t.check('TCP, protocol number', create('AF_INET', 'SOCK_STREAM', 6))
  t.check('TCP, all numbers', create(2, 1, 6))
  t.check('UDP', create('AF_INET', 'SOCK_DGRAM', 'udp'))
  t.check('UDP, protocol number', create('PF_INET', 'SOCK_DGRAM', 17))
  t.check('TCP over IPv6', create('AF_INET6', 'SOCK_STREAM', 'tcp'))
  t.check('UDP over IPv6', create('PF_INET6', 'SOCK_DGRAM', 'udp'))
  t.check('unix stream', create('AF_UNIX', 'SOCK_STREAM', 0))
  t.check('unix stream, number', create(1, 1, 0))
  t.check('unix stream, PF_LOCAL', create('PF_LOCAL', 'SOCK_STREAM', 0))
  t.check('unix stream, AF_LOCAL', create('AF_LOCAL', 'SOCK_STREAM', 'ip'))
  t.check('unix datagram', create('PF_UNIX', 'SOCK_DGRAM', 0))
  t.check('unix seqpacket', create('AF_UNIX', 'SOCK_SEQPACKET', 0))
  t.check('raw, protocol from /etc/protocols', create('AF_INET', 'SOCK_RAW', 'icmp'))
end)

t.case('failures', function()
  t.check('unknown domain', create('AF_NONE', 'SOCK_STREAM', 'tcp'))
  t.check('domain in lower case', create('af_inet', 'SOCK_STREAM', 'tcp'))
  t.check('domain without prefix', create('INET', 'SOCK_STREAM', 'tcp'))
  t.check('no domain', create(nil, 'SOCK_STREAM', 'tcp'))
  t.check('unknown type', create('AF_INET', 'SOCK_NONE', 'tcp'))
  t.check('type in lower case', create('AF_INET', 'sock_stream', 'tcp'))
  t.check('no type', create('AF_INET', nil, 'tcp'))
  t.check('unknown protocol', create('AF_INET', 'SOCK_STREAM', 'no-such-protocol'))
  t.check('empty protocol', create('AF_INET', 'SOCK_STREAM', ''))
  t.check('protocol true', create('AF_INET', 'SOCK_STREAM', true))
  t.check('protocol table', create('AF_INET', 'SOCK_STREAM', {}))
  t.check('protocol of another type', create('AF_INET', 'SOCK_STREAM', 'udp'))
  t.check('protocol of another domain', create('AF_UNIX', 'SOCK_STREAM', 'tcp'))
  t.check('unknown domain number', create(99, 'SOCK_STREAM', 0))
  t.check('unknown type number', create('AF_INET', 99, 0))
  t.check('seqpacket over IP', create('AF_INET', 'SOCK_SEQPACKET', 0))
  t.check('RDM over IP', create('AF_INET', 'SOCK_RDM', 0))
end)

t.case('a new socket', function()
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  t.check('has a descriptor', type(s:fd()), s:fd() > 2)
  t.check('has no error', s:errno(), s:error())
  t.check('does not block', s:nonblock())
  local name = s:name()
  t.check('has no address yet', name.host, name.port, name.family, name.type, name.protocol)
  t.check('its name as a string', tostring(name))
  t.failed('has no peer', s, s:peer())
  t.check('as a string', (tostring(s):gsub('fd %d+', 'fd N')))
  name = socket('AF_INET6', 'SOCK_DGRAM', 'udp'):name()
  t.check('UDP over IPv6, name', name.host, name.port, name.family, name.type, name.protocol)
  name = socket('AF_UNIX', 'SOCK_STREAM', 0):name()
  t.check('unix, name', name.host, name.port, name.family, name.type, name.protocol)
end)

t.case('internal tables', function()
  local internal = socket.internal
  for _, family in ipairs {
    'UNIX', 'LOCAL', 'INET', 'INET6', 'IPX', 'NETLINK', 'X25', 'AX25', 'ATMPVC', 'APPLETALK',
    'PACKET',
  } do
    local domains = internal.DOMAIN
    t.check('domain ' .. family, domains['PF_' .. family], domains['AF_' .. family])
  end
  for _, kind in ipairs { 'STREAM', 'DGRAM', 'RAW', 'RDM', 'SEQPACKET' } do
    t.check('type ' .. kind, internal.SO_TYPE['SOCK_' .. kind])
  end
  for _, flag in ipairs {
    'OOB', 'PEEK', 'DONTROUTE', 'TRYHARD', 'CTRUNC', 'PROXY', 'TRUNC', 'DONTWAIT', 'EOR', 'WAITALL',
    'FIN', 'SYN', 'CONFIRM', 'RST', 'ERRQUEUE', 'NOSIGNAL', 'MORE', 'WAITFORONE', 'FASTOPEN',
    'CMSG_CLOEXEC',
  } do
    t.check('flag MSG_' .. flag, internal.SEND_FLAGS['MSG_' .. flag])
  end
  t.check('protocols', internal.protocols.ip, internal.protocols.tcp, internal.protocols.udp)
  t.check('option tables by level', type(internal.SO_OPT[1]), type(internal.SO_OPT[6]))
end)

os.exit(0)
