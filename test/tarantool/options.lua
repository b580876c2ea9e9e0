-- options.lua: getsockopt, setsockopt and linger: levels, names, values, and what each option of
-- the tables answers.
--
-- Left out because coir means to differ: SO_RCVTIMEO and SO_SNDTIMEO cannot be set in Tarantool,
-- its TCP_CONGESTION is the bytes of a name read as a number, and its SO_PEERCRED is a process id
-- alone. Options whose setting takes privileges are only read.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'

local function tcp()
  return socket('AF_INET', 'SOCK_STREAM', 'tcp')
end

t.case('levels', function()
  local s = tcp()
  t.check('level SOL_SOCKET', s:getsockopt('SOL_SOCKET', 'SO_TYPE'))
  t.check('level socket', s:getsockopt('socket', 'SO_TYPE'))
  t.check('level 1', s:getsockopt(1, 'SO_TYPE'))
  for _, level in ipairs { 'IPPROTO_TCP', 'SOL_TCP', 'tcp', 6 } do
    t.check('setting at level ' .. level, s:setsockopt(level, 'TCP_NODELAY', 1))
    t.check('getting at level ' .. level, s:getsockopt(level, 'TCP_NODELAY'))
    s:setsockopt(level, 'TCP_NODELAY', 0)
  end
  t.failed('setting at no level', s, s:setsockopt(nil, 'SO_KEEPALIVE', 1))
  t.failed('setting at an unknown level', s, s:setsockopt('SOL_NOTHING', 'SO_KEEPALIVE', 1))
  t.failed('setting at a level true', s, s:setsockopt(true, 'SO_KEEPALIVE', 1))
  local value = s:getsockopt(nil, 'SO_KEEPALIVE')
  t.check('getting at no level', value and true or t.errno(s:errno()))
  value = s:getsockopt('SOL_NOTHING', 'SO_KEEPALIVE')
  t.check('getting at an unknown level', value and true or t.errno(s:errno()))
end)

t.case('names', function()
  local s = tcp()
  t.raises('getting an unknown option', s.getsockopt, s, 'SOL_SOCKET', 'SO_NOTHING')
  t.raises('setting an unknown option', s.setsockopt, s, 'SOL_SOCKET', 'SO_NOTHING', 1)
  t.raises('getting without a name', s.getsockopt, s, 'SOL_SOCKET')
  t.raises('getting an option of another level', s.getsockopt, s, 'SOL_SOCKET', 'TCP_NODELAY')
  t.raises('setting an option of another level', s.setsockopt, s, 'tcp', 'SO_KEEPALIVE', 1)
  t.raises('getting in lower case', s.getsockopt, s, 'SOL_SOCKET', 'so_type')
  for _, name in ipairs {
    'SO_ACCEPTCONN', 'SO_DOMAIN', 'SO_ERROR', 'SO_PEERCRED', 'SO_PROTOCOL', 'SO_TYPE', 'SO_LINGER',
  } do
    t.raises('setting ' .. name, s.setsockopt, s, 'SOL_SOCKET', name, 1)
  end
  t.raises('getting SO_LINGER', s.getsockopt, s, 'SOL_SOCKET', 'SO_LINGER')
end)

t.case('values', function()
  local s = tcp()
  local function keepalive() return s:getsockopt('SOL_SOCKET', 'SO_KEEPALIVE') end
  t.check('setting true', s:setsockopt('SOL_SOCKET', 'SO_KEEPALIVE', true), keepalive())
  t.check('setting false', s:setsockopt('SOL_SOCKET', 'SO_KEEPALIVE', false), keepalive())
  t.check('setting 1', s:setsockopt('SOL_SOCKET', 'SO_KEEPALIVE', 1), keepalive())
  t.check('setting 0', s:setsockopt('SOL_SOCKET', 'SO_KEEPALIVE', 0), keepalive())
  t.check('setting 7 where 1 is enough', s:setsockopt('SOL_SOCKET', 'SO_KEEPALIVE', 7), keepalive())
  t.refuses('setting nil', s.setsockopt, s, 'SOL_SOCKET', 'SO_KEEPALIVE', nil)
  t.refuses('setting a word', s.setsockopt, s, 'SOL_SOCKET', 'SO_KEEPALIVE', 'on')
  t.refuses('setting a table', s.setsockopt, s, 'SOL_SOCKET', 'SO_KEEPALIVE', {})
  t.check('unchanged', keepalive())
end)

t.case('read-only options', function()
  local s = tcp()
  local function get(name) return s:getsockopt('SOL_SOCKET', name) end
  t.check('SO_ACCEPTCONN', get('SO_ACCEPTCONN'))
  t.check('SO_DOMAIN', get('SO_DOMAIN'))
  t.check('SO_ERROR', get('SO_ERROR'))
  t.check('SO_PROTOCOL', get('SO_PROTOCOL'))
  t.check('SO_TYPE', get('SO_TYPE'))
  local udp = socket('AF_INET6', 'SOCK_DGRAM', 'udp')
  t.check('SO_DOMAIN of UDP over IPv6', udp:getsockopt('SOL_SOCKET', 'SO_DOMAIN'))
  t.check('SO_PROTOCOL of UDP over IPv6', udp:getsockopt('SOL_SOCKET', 'SO_PROTOCOL'))
  t.check('SO_TYPE of UDP over IPv6', udp:getsockopt('SOL_SOCKET', 'SO_TYPE'))
  t.check('SO_ACCEPTCONN of a listener',
    loopback.listener():getsockopt('SOL_SOCKET', 'SO_ACCEPTCONN'))
end)

-- What a new socket says of an option, what setting it returns, and what it says then.
local function change(s, level, name, value)
  local function get()
    local got = s:getsockopt(level, name)
    if got == nil then return t.errno(s:errno()) end
    return got
  end
  local before = get()
  local done = s:setsockopt(level, name, value)
  if not done then return before, done, t.errno(s:errno()) end
  return before, done, get()
end

t.case('options of SOL_SOCKET', function()
  for _, option in ipairs {
    { 'SO_BROADCAST', 1 }, { 'SO_DONTROUTE', 1 }, { 'SO_KEEPALIVE', 1 }, { 'SO_OOBINLINE', 1 },
    { 'SO_REUSEADDR', 1 }, { 'SO_TIMESTAMP', 1 }, { 'SO_PRIORITY', 5 }, { 'SO_RCVLOWAT', 10 },
    { 'SO_SNDLOWAT', 10 },
  } do
    t.check(option[1], change(tcp(), 'SOL_SOCKET', option[1], option[2]))
  end
  -- The system doubles the size of a buffer.
  local s = tcp()
  t.check('setting SO_RCVBUF', s:setsockopt('SOL_SOCKET', 'SO_RCVBUF', 20000))
  t.check('getting SO_RCVBUF', s:getsockopt('SOL_SOCKET', 'SO_RCVBUF'))
  t.check('setting SO_SNDBUF', s:setsockopt('SOL_SOCKET', 'SO_SNDBUF', 20000))
  t.check('getting SO_SNDBUF', s:getsockopt('SOL_SOCKET', 'SO_SNDBUF'))
  t.failed('getting SO_RCVBUFFORCE', s, s:getsockopt('SOL_SOCKET', 'SO_RCVBUFFORCE'))
  t.failed('getting SO_SNDBUFFORCE', s, s:getsockopt('SOL_SOCKET', 'SO_SNDBUFFORCE'))
  -- Changing these takes privileges.
  t.check('getting SO_DEBUG', s:getsockopt('SOL_SOCKET', 'SO_DEBUG'))
  t.check('getting SO_MARK', s:getsockopt('SOL_SOCKET', 'SO_MARK'))
  t.check('getting SO_BINDTODEVICE', s:getsockopt('SOL_SOCKET', 'SO_BINDTODEVICE'))
  t.refuses('SO_BINDTODEVICE, a number', s.setsockopt, s, 'SOL_SOCKET', 'SO_BINDTODEVICE', 5)
  t.check('getting SO_RCVTIMEO', s:getsockopt('SOL_SOCKET', 'SO_RCVTIMEO'))
  t.check('getting SO_SNDTIMEO', s:getsockopt('SOL_SOCKET', 'SO_SNDTIMEO'))
  local unix = socket('AF_UNIX', 'SOCK_STREAM', 0)
  t.check('SO_PASSCRED', change(unix, 'SOL_SOCKET', 'SO_PASSCRED', 1))
end)

t.case('options of IPPROTO_TCP', function()
  for _, option in ipairs {
    { 'TCP_NODELAY', 1 }, { 'TCP_MAXSEG', 1000 }, { 'TCP_CORK', 1 }, { 'TCP_KEEPIDLE', 100 },
    { 'TCP_KEEPINTVL', 20 }, { 'TCP_KEEPCNT', 3 }, { 'TCP_SYNCNT', 2 }, { 'TCP_LINGER2', 10 },
    { 'TCP_DEFER_ACCEPT', 1 }, { 'TCP_WINDOW_CLAMP', 40000 }, { 'TCP_QUICKACK', 1 },
    { 'TCP_THIN_LINEAR_TIMEOUTS', 1 }, { 'TCP_THIN_DUPACK', 1 }, { 'TCP_USER_TIMEOUT', 5000 },
    { 'TCP_FASTOPEN', 5 }, { 'TCP_NOTSENT_LOWAT', 16384 }, { 'TCP_SAVE_SYN', 1 },
  } do
    t.check(option[1], change(tcp(), 'IPPROTO_TCP', option[1], option[2]))
  end
  local s = tcp()
  t.failed('a value out of range', s, s:setsockopt('tcp', 'TCP_KEEPIDLE', -1))
  t.check('the next call clears that', s:setsockopt('tcp', 'TCP_KEEPIDLE', 60), s:errno())
  local udp = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  t.failed('setting TCP_NODELAY of UDP', udp, udp:setsockopt('tcp', 'TCP_NODELAY', 1))
  t.failed('getting TCP_NODELAY of UDP', udp, udp:getsockopt('tcp', 'TCP_NODELAY'))
end)

t.case('linger', function()
  local s = tcp()
  t.check('linger of a new socket', s:linger())
  t.check('linger on', s:linger(true, 5))
  t.check('linger is on', s:linger())
  t.check('linger off', s:linger(false))
  t.check('linger is off', s:linger())
  t.check('linger on, no time', s:linger(true))
  t.check('linger is on, no time', s:linger())
  t.check('linger off, with a time', s:linger(false, 7))
  t.check('linger is off, with a time', s:linger())
  t.check('linger 0 is true', s:linger(0, 3))
  t.check('linger is on by 0', s:linger())
  t.check('linger leaves no error', s:errno())
end)

os.exit(0)
