-- options_test.lua: setsockopt, getsockopt and linger.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local function tcp() return assert(socket('AF_INET', 'SOCK_STREAM', 'tcp')) end
local function udp() return assert(socket('AF_INET', 'SOCK_DGRAM', 'udp')) end
local function udp6() return assert(socket('AF_INET6', 'SOCK_DGRAM', 'udp')) end
local function unix() return (loopback.unix_pair()) end

-- Each option with a value to set; what is read back, if it is not the same; and the kind of
-- socket, if it is not the level's own. `false` for what is read back: nothing is (the option can
-- only be set).
local same = {}
local settable = {
  SOL_SOCKET = {
    SO_BROADCAST = { 1 }, SO_BSDCOMPAT = { 1, 0 }, SO_BUSY_POLL = { 0 }, SO_DONTROUTE = { 1 },
    SO_INCOMING_CPU = { 0 }, SO_KEEPALIVE = { 1 }, SO_OOBINLINE = { 1 },
    SO_PASSCRED = { 1, same, unix },
    SO_PRIORITY = { 3 }, SO_RCVBUF = { 20000, 40000 }, SO_RCVLOWAT = { 5 }, SO_RCVTIMEO = { 1.5 },
    SO_REUSEADDR = { 1 }, SO_REUSEPORT = { 1 }, SO_SNDBUF = { 20000, 40000 },
    SO_SNDTIMEO = { 0.25 },
    SO_TIMESTAMP = { 1, same, udp }, SO_ZEROCOPY = { 1 },
  },
  IPPROTO_TCP = {
    TCP_CONGESTION = { 'reno' }, TCP_CORK = { 1 }, TCP_DEFER_ACCEPT = { 1 }, TCP_FASTOPEN = { 5 },
    TCP_FASTOPEN_CONNECT = { 1 }, TCP_KEEPCNT = { 7 }, TCP_KEEPIDLE = { 100 },
    TCP_KEEPINTVL = { 11 },
    TCP_LINGER2 = { 9 }, TCP_NODELAY = { 1 }, TCP_NOTSENT_LOWAT = { 4096 }, TCP_QUICKACK = { 0 },
    TCP_SAVE_SYN = { 1 }, TCP_SYNCNT = { 3 }, TCP_THIN_LINEAR_TIMEOUTS = { 1 },
    TCP_USER_TIMEOUT = { 1000 },
    TCP_WINDOW_CLAMP = { 30000 },
  },
  IPPROTO_IP = {
    IP_BIND_ADDRESS_NO_PORT = { 1 }, IP_FREEBIND = { 1 }, IP_MTU_DISCOVER = { 2 },
    IP_MULTICAST_ALL = { 0 },
    IP_MULTICAST_IF = { '127.0.0.1' }, IP_MULTICAST_LOOP = { 0 }, IP_MULTICAST_TTL = { 5 },
    IP_PKTINFO = { 1 },
    IP_RECVERR = { 1 }, IP_TOS = { 16 }, IP_TTL = { 33 },
  },
  IPPROTO_IPV6 = {
    IPV6_MTU_DISCOVER = { 2 }, IPV6_MULTICAST_ALL = { 0 }, IPV6_MULTICAST_HOPS = { 5 },
    IPV6_MULTICAST_IF = { 1 },
    IPV6_MULTICAST_LOOP = { 0 }, IPV6_RECVERR = { 1 }, IPV6_RECVPKTINFO = { 1 },
    IPV6_TCLASS = { 32 },
    IPV6_UNICAST_HOPS = { 33 }, IPV6_V6ONLY = { 1 },
  },
  IPPROTO_UDP = { UDP_CORK = { 1 }, UDP_GRO = { 1 }, UDP_SEGMENT = { 1000 } },
}

-- What an ordinary process may not set, what depends on the kernel's configuration or on the
-- connection, and what has cases of its own: each is only tried, and must answer with values, not
-- an error.
local restricted = {
  SOL_SOCKET = { SO_DEBUG = 1, SO_MARK = 1, SO_RCVBUFFORCE = 5000, SO_SNDBUFFORCE = 5000,
  SO_SNDLOWAT = 1,
    SO_BINDTODEVICE = 'lo' },
  IPPROTO_TCP = { TCP_MAXSEG = 1000, TCP_COOKIE_TRANSACTIONS = 1, TCP_MD5SIG = 1, TCP_QUEUE_SEQ = 1,
    TCP_REPAIR = 0, TCP_REPAIR_OPTIONS = 1, TCP_REPAIR_QUEUE = 0, TCP_THIN_DUPACK = 1,
    TCP_TIMESTAMP = 1 },
  IPPROTO_IP = { IP_TRANSPARENT = 1, IP_ADD_MEMBERSHIP = '239.1.2.3',
  IP_DROP_MEMBERSHIP = '239.1.2.3' },
  IPPROTO_IPV6 = { IPV6_MTU = 1280, IPV6_JOIN_GROUP = 'ff11::1', IPV6_LEAVE_GROUP = 'ff11::1' },
  IPPROTO_UDP = {},
}

local read_only = {
  SOL_SOCKET = { 'SO_ACCEPTCONN', 'SO_DOMAIN', 'SO_ERROR', 'SO_PEERCRED', 'SO_PROTOCOL', 'SO_TYPE',
  'SO_LINGER' },
  IPPROTO_TCP = { 'TCP_CC_INFO', 'TCP_INFO', 'TCP_SAVED_SYN' },
  IPPROTO_IP = { 'IP_MTU' },
  IPPROTO_IPV6 = {}, IPPROTO_UDP = {},
}

local kind_of = { SOL_SOCKET = tcp, IPPROTO_TCP = tcp, IPPROTO_IP = udp, IPPROTO_IPV6 = udp6,
  IPPROTO_UDP = udp }
local numbers = { SOL_SOCKET = 1, IPPROTO_TCP = 6, IPPROTO_IP = 0, IPPROTO_IPV6 = 41,
  IPPROTO_UDP = 17 }

for level, options in pairs(settable) do
  for name, row in pairs(options) do
    test.case(name .. ' is set and read back', function()
      local value, expected, kind = row[1], row[2], row[3] or kind_of[level]
      if expected == nil or expected == same then expected = value end
      local s = kind()
      test.equal({ s:setsockopt(level, name, value) }, { true })
      test.equal({ s:getsockopt(level, name) }, { expected })
      test.equal(s:errno(), 0)
    end)
  end
end

for level, options in pairs(restricted) do
  for name, value in pairs(options) do
    test.case(name .. ' is answered, whatever the kernel says', function()
      local s = kind_of[level]()
      local done, message, code = s:setsockopt(level, name, value)
      if not done then test.refused(errno[code], done, message, code) end
      local got, text, number = s:getsockopt(level, name)
      if got == nil then test.fails(errno[number], got, text, number) end
    end)
  end
end

for level, names in pairs(read_only) do
  for _, name in ipairs(names) do
    test.case(name .. ' is read only', function()
      local s = kind_of[level]()
      test.raises(('Socket option %s is read only'):format(name), s.setsockopt, s, level, name, 1)
    end)
  end
end

test.case('every option that the module knows is in this file', function()
  for level, number in pairs(numbers) do
    local known = {}
    for _, name in ipairs(read_only[level]) do known[name] = true end
    for name in pairs(socket.internal.SO_OPT[number]) do
      test.ok(known[name] or settable[level][name] or restricted[level][name] ~= nil, name)
    end
  end
end)

test.case('what can only be read', function()
  local listener = loopback.listener()
  local a, b = loopback.pair()
  local function get(s, name) return s:getsockopt('SOL_SOCKET', name) end
  test.equal({ get(listener, 'SO_ACCEPTCONN'), get(a, 'SO_ACCEPTCONN') }, { 1, 0 })
  test.equal({ get(a, 'SO_DOMAIN'), get(a, 'SO_TYPE'), get(a, 'SO_PROTOCOL') }, { 2, 1, 6 })
  test.equal(get(udp(), 'SO_TYPE'), 2)
  a:write('unread')
  b:readable()
  b:linger(true, 0)
  b:close()
  a:readable()
  test.equal({ get(a, 'SO_ERROR'), get(a, 'SO_ERROR') }, { errno.ECONNRESET, 0 })
  test.raises('Use s:linger%(%)', get, tcp(), 'SO_LINGER')
end)

test.case('TCP_INFO is a table', function()
  local a, b = loopback.pair()
  local info = a:getsockopt('tcp', 'TCP_INFO')
  test.equal(info.state, 'ESTABLISHED')
  for _, name in ipairs { 'rtt', 'rttvar', 'snd_mss', 'snd_cwnd', 'retransmits', 'total_retrans',
      'pmtu', 'unacked' } do
    test.equal(math.type(info[name]), 'integer')
  end
  test.equal(loopback.listener():getsockopt('tcp', 'TCP_INFO').state, 'LISTEN')
  b:close()
  a:readable()
  test.equal(a:getsockopt('tcp', 'TCP_INFO').state, 'CLOSE_WAIT')
end)

test.case('TCP_CONGESTION is a string', function()
  local s = tcp()
  test.match(s:getsockopt('tcp', 'TCP_CONGESTION'), '^%w+$')
  test.refused('ENOENT', s:setsockopt('tcp', 'TCP_CONGESTION', 'nosuch'))
  test.raises('string expected', s.setsockopt, s, 'tcp', 'TCP_CONGESTION', 1)
end)

test.case('SO_BINDTODEVICE is the name without a zero, empty if there is none', function()
  local s = tcp()
  test.equal(s:getsockopt('SOL_SOCKET', 'SO_BINDTODEVICE'), '')
  if s:setsockopt('SOL_SOCKET', 'SO_BINDTODEVICE', 'lo') then
    test.equal(s:getsockopt('SOL_SOCKET', 'SO_BINDTODEVICE'), 'lo')
  end
  test.refused(nil, s:setsockopt('SOL_SOCKET', 'SO_BINDTODEVICE', 'nosuch0'))
  test.raises('string expected', s.setsockopt, s, 'SOL_SOCKET', 'SO_BINDTODEVICE', 1)
end)

test.case('TCP_MAXSEG on a connection', function()
  local a, _b = loopback.pair()
  test.ok(a:getsockopt('tcp', 'TCP_MAXSEG') > 100)
  return _b
end)

-- -- Levels, names and values ---------------------------------------------------------------------

test.case('a level has several names, or a number', function()
  for _, level in ipairs { 'SOL_SOCKET', 'socket', 1, 1.0 } do
    test.equal(tcp():getsockopt(level, 'SO_TYPE'), 1)
  end
  for _, level in ipairs { 'IPPROTO_TCP', 'SOL_TCP', 'tcp', 6 } do
    test.equal(tcp():getsockopt(level, 'TCP_NODELAY'), 0)
  end
  for _, level in ipairs { 'IPPROTO_IP', 'SOL_IP', 'ip', 0 } do
    test.equal(udp():getsockopt(level, 'IP_TTL'), 64)
  end
  for _, level in ipairs { 'IPPROTO_IPV6', 'SOL_IPV6', 'ipv6', 41 } do
    test.equal(udp6():getsockopt(level, 'IPV6_V6ONLY'), 0)
  end
  for _, level in ipairs { 'IPPROTO_UDP', 'SOL_UDP', 'udp', 17 } do
    test.equal(udp():getsockopt(level, 'UDP_CORK'), 0)
  end
end)

test.case('an unknown level is EPROTOTYPE, none is EINVAL', function()
  local s = tcp()
  for _, method in ipairs { 'setsockopt', 'getsockopt' } do
    test.refused('EPROTOTYPE', s[method](s, 'SOL_NOSUCH', 'SO_TYPE', 1))
    test.refused('EPROTOTYPE', s[method](s, '', 'SO_TYPE', 1))
    for _, level in ipairs { false, {}, 1.5, 1 << 40, print } do
      test.refused('EINVAL', s[method](s, level or nil, 'SO_TYPE', 1))
    end
  end
end)

test.case('an unknown name raises, with the name in the message', function()
  local s = tcp()
  for _, method in ipairs { 'setsockopt', 'getsockopt' } do
    for _, name in ipairs { 'SO_NOSUCH', '', 'so_type', 'TCP_NODELAY', 'SO_TYPE ' } do
      test.raises('Unknown socket option name: ' .. name .. '$', s[method], s, 'SOL_SOCKET', name,
        1)
    end
    test.raises('Unknown socket option name: SO_SNDBUF', s[method], s, 'tcp', 'SO_SNDBUF', 1)
    test.raises('Unknown socket option name: ' .. ('n'):rep(64) .. '$', s[method], s, 'tcp',
      ('n'):rep(10 << 20), 1)
    for _, name in ipairs { false, {}, print } do
      test.raises('Unknown socket option name: ', s[method], s, 'SOL_SOCKET', name or nil, 1)
    end
  end
end)

test.case('an option can be named by its number', function()
  local s = tcp()
  test.equal({ s:setsockopt(1, 9, 1), s:getsockopt(1, 9), s:getsockopt('socket', 'SO_KEEPALIVE') },
    { true, 1, 1 })
  test.raises('read only', s.setsockopt, s, 1, 3, 1)
  test.refused('ENOPROTOOPT', s:setsockopt(1, 9999, 1))
  test.fails('ENOPROTOOPT', s:getsockopt(1, 9999))
  test.fails('ENOPROTOOPT', s:getsockopt(1, (1 << 32) + 9))
end)

test.case('a value is a number or a boolean', function()
  local s = tcp()
  for value, expected in pairs { [true] = 1, [false] = 0, [1] = 1, [0] = 0 } do
    s:setsockopt('socket', 'SO_KEEPALIVE', value)
    test.equal(s:getsockopt('socket', 'SO_KEEPALIVE'), expected)
  end
  for _, value in ipairs { 'yes', '1', {}, print } do
    test.raises('number or boolean expected', s.setsockopt, s, 'socket', 'SO_KEEPALIVE', value)
  end
  test.raises('number or boolean expected', s.setsockopt, s, 'socket', 'SO_KEEPALIVE')
  test.raises('integer', s.setsockopt, s, 'socket', 'SO_KEEPALIVE', 1.5)
  for _, value in ipairs { 1 << 31, -(1 << 31) - 1, math.maxinteger } do
    test.raises('32 bits', s.setsockopt, s, 'socket', 'SO_KEEPALIVE', value)
  end
end)

test.case('a timeout option is a number from 0 on, and 0 is none', function()
  local s = tcp()
  for _, name in ipairs { 'SO_RCVTIMEO', 'SO_SNDTIMEO' } do
    test.equal(s:getsockopt('socket', name), 0)
    for _, value in ipairs { -1, 0 / 0, -math.huge } do
      test.raises('negative or NaN', s.setsockopt, s, 'socket', name, value)
    end
    test.raises('number expected', s.setsockopt, s, 'socket', name, 'soon')
    s:setsockopt('socket', name, math.huge)
    test.equal(s:getsockopt('socket', name), 0)
  end
end)

-- -- linger ---------------------------------------------------------------------------------------

test.case('linger tells whether and how long, and returns what it was given', function()
  local s = tcp()
  test.equal({ s:linger() }, { false, 0 })
  test.equal({ s:linger(true, 5) }, { true, 5 })
  test.equal({ s:linger() }, { true, 5 })
  test.equal({ s:linger(true) }, { true, 0 })
  test.equal({ s:linger(0, 3) }, { 0, 3 })
  test.equal({ s:linger() }, { true, 3 })
  test.equal({ s:linger(false) }, { false, 0 })
  test.equal((s:linger()), false)
  for _, time in ipairs { -1, 1 << 31, math.mininteger } do
    test.raises('out of range', s.linger, s, true, time)
  end
  test.raises('number expected', s.linger, s, true, 'long')
end)

test.case('close waits for what linger asks for, and others run meanwhile', function()
  local a, b, sent = loopback.full_pair()
  a:linger(true, 100)
  local closing = fiber.spawn(a.close, a)
  fiber.yield()
  test.equal(closing:status(), 'suspended')
  test.equal(#b:read(sent, 10), sent)
  test.equal({ closing:join(10) }, { true, true })
  test.equal(b:read(1, 10), '')
end)

test.case('an accepted connection lingers as its listener does', function()
  local listener, port = loopback.listener()
  listener:linger(true, 100)
  local b = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  b:sysconnect('127.0.0.1', port)
  local a = listener:accept()
  local sent = loopback.fill(a)
  local closing = fiber.spawn(a.close, a)
  fiber.yield()
  test.equal(closing:status(), 'suspended')
  test.equal(#b:read(sent, 10), sent)
  test.equal({ closing:join(10) }, { true, true })
end)

test.case('a lingering close ends when the connection breaks, when its fiber is cancelled and in time', function()
  local a, b = loopback.full_pair()
  a:linger(true, 100)
  local closing = fiber.spawn(a.close, a)
  fiber.yield()
  b:linger(true, 0)
  b:close()
  test.equal({ closing:join(10) }, { true, true })

  a, b = loopback.full_pair()
  a:linger(true, 100)
  closing = fiber.spawn(a.close, a)
  fiber.yield()
  closing:cancel()
  local ok, err = closing:join(10)
  test.equal({ ok, fiber.is_cancelled(err) }, { false, true })
  test.raises('closed socket', a.fd, a)
  b:close()

  local c, d = loopback.full_pair()
  c:linger(true, 1)
  test.equal(c:close(), true)
  d:close()
end)

test.case('the collector does not wait for a socket that lingers', function()
  local a, b, sent = loopback.full_pair()
  a:linger(true, 100)
  a = nil -- luacheck: ignore
  local before = fiber.time()
  collectgarbage()
  collectgarbage()
  test.ok(fiber.time() - before < 50)
  test.equal(#b:read(sent + 1, 10), sent)
end)

test.finish()
