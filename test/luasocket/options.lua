-- options.lua: setoption and getoption.
local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local socket = require 'socket'

local function set_and_get(s, name, value) return s:setoption(name, value), s:getoption(name) end

t.case('of TCP', function()
  local s = socket.tcp4()
  for _, name in ipairs { 'keepalive', 'reuseaddr', 'reuseport', 'tcp-nodelay' } do
    t.check(name, s:getoption(name))
    t.check(name .. ', on', set_and_get(s, name, true))
    t.check(name .. ', off', set_and_get(s, name, false))
    t.raises(name .. ', a number', function() s:setoption(name, 1) end)
    t.raises(name .. ', nothing', function() s:setoption(name) end)
  end
  t.check('linger', s:getoption('linger').on, s:getoption('linger').timeout)
  t.check('linger, on', s:setoption('linger', { on = true, timeout = 7 }))
  t.check('linger, set', s:getoption('linger').on, s:getoption('linger').timeout)
  t.check('linger, off', s:setoption('linger', { on = false, timeout = 0 }),
    s:getoption('linger').on)
  t.raises('linger, no table', function() s:setoption('linger', true) end)
  t.raises('linger, no on', function() s:setoption('linger', { timeout = 1 }) end)
  t.raises('linger, no timeout', function() s:setoption('linger', { on = true }) end)
  for _, name in ipairs { 'tcp-keepidle', 'tcp-keepcnt', 'tcp-keepintvl' } do
    t.check(name, set_and_get(s, name, 9))
    t.check(name .. ', a fraction', set_and_get(s, name, 5.5))
    t.check(name .. ', no number', s:setoption(name, 'x'))
  end
  t.check('recv-buffer-size', set_and_get(s, 'recv-buffer-size', 20000))
  t.check('send-buffer-size', set_and_get(s, 'send-buffer-size', 20000))
  t.check('error', s:getoption('error'))
  t.check('tcp-defer-accept', s:setoption('tcp-defer-accept', 5))
  t.check('tcp-fastopen-connect', s:setoption('tcp-fastopen-connect', 1))
  t.check('ipv6-v6only of IPv4', s:setoption('ipv6-v6only', true))
  t.check('ipv6-v6only', socket.tcp6():setoption('ipv6-v6only', false))
  t.raises('an option that can only be set', function() s:getoption('ipv6-v6only') end)
  t.raises('an option that can only be got', function() s:setoption('error', 1) end)
  t.raises('no such option', function() s:setoption('nodelay', true) end)
  t.raises('no such option, to get', function() s:getoption('ip-multicast-if') end)
  t.raises('a long name of no option', function() s:getoption(('x'):rep(100)) end)
  t.raises('no name', function() s:getoption() end)
  t.raises('no name, to set', function() s:setoption() end)
  s:close()
  t.check('closed, set', s:setoption('keepalive', true))
  t.check('closed, get', s:getoption('keepalive'))
  t.check('closed, linger', s:setoption('linger', { on = true, timeout = 7 }))
  t.check('closed, get linger', s:getoption('linger'))
  t.check('closed, error', s:getoption('error'))
end)

t.case('of accepted ones', function()
  local a, b = t.pair()
  t.check('of a client', set_and_get(a, 'tcp-nodelay', true))
  t.check('of an accepted one', set_and_get(b, 'keepalive', true))
end)

t.case('of UDP', function()
  local s, six = socket.udp4(), socket.udp6()
  for _, name in ipairs { 'dontroute', 'broadcast', 'reuseaddr', 'reuseport' } do
    t.check('udp, ' .. name, set_and_get(s, name, true))
    t.check('udp, ' .. name .. ', off', set_and_get(s, name, false))
  end
  t.check('ip-multicast-loop', set_and_get(s, 'ip-multicast-loop', false))
  t.check('ip-multicast-ttl', s:setoption('ip-multicast-ttl', 3))
  t.check('ip-multicast-if', set_and_get(s, 'ip-multicast-if', '127.0.0.1'))
  t.check('ip-multicast-if, any', set_and_get(s, 'ip-multicast-if', '*'))
  t.raises('ip-multicast-if, nonsense', function() s:setoption('ip-multicast-if', 'nonsense') end)
  local group = { multiaddr = '239.1.2.3', interface = '127.0.0.1' }
  t.check('ip-add-membership', s:setoption('ip-add-membership', group))
  t.check('ip-add-membership, twice', s:setoption('ip-add-membership', group))
  t.check('ip-drop-membership', s:setoption('ip-drop-membership', group))
  t.check('ip-drop-membership, twice', s:setoption('ip-drop-membership', group))
  t.raises('ip-add-membership, no group',
    function() s:setoption('ip-add-membership', { interface = '*' }) end)
  t.raises('ip-add-membership, no interface', function()
    s:setoption('ip-add-membership', { multiaddr = '239.1.2.3' })
  end)
  t.raises('ip-add-membership, nonsense', function()
    s:setoption('ip-add-membership', { multiaddr = 'nonsense', interface = '*' })
  end)
  t.raises('ip-add-membership, no table',
    function() s:setoption('ip-add-membership', '239.1.2.3') end)
  t.check('ipv6-unicast-hops', set_and_get(six, 'ipv6-unicast-hops', 5))
  t.check('ipv6-multicast-hops', set_and_get(six, 'ipv6-multicast-hops', 6))
  t.check('ipv6-multicast-loop', set_and_get(six, 'ipv6-multicast-loop', false))
  t.check('ipv6-v6only of UDP', set_and_get(six, 'ipv6-v6only', false))
  t.check('ipv6 options of IPv4', s:setoption('ipv6-unicast-hops', 5))
  local six_group = { multiaddr = 'ff01::1234', interface = 1 }
  t.check('ipv6-add-membership', six:setoption('ipv6-add-membership', six_group))
  t.check('ipv6-drop-membership', six:setoption('ipv6-drop-membership', six_group))
  t.raises('ipv6-add-membership, nonsense', function()
    six:setoption('ipv6-add-membership', { multiaddr = 'nonsense' })
  end)
  t.check('udp, recv-buffer-size', set_and_get(s, 'recv-buffer-size', 20000))
  t.check('udp, send-buffer-size', set_and_get(s, 'send-buffer-size', 20000))
  t.check('udp, error', s:getoption('error'))
  t.raises('udp, no such option', function() s:setoption('tcp-nodelay', true) end)
  t.raises('udp, an option that can only be set', function() s:getoption('ip-multicast-ttl') end)
end)

os.exit(0)
