-- datagram_test.lua: UDP and Unix datagrams, and multicast on loopback.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

-- -- UDP ------------------------------------------------------------------------------------------

for _, host in ipairs { '127.0.0.1', '::1' } do
  local family = host == '::1' and 'AF_INET6' or 'AF_INET'

  test.case('a datagram comes with its sender: ' .. host, function()
    local a, a_port = loopback.datagram(host)
    local b, b_port = loopback.datagram(host)
    test.equal({ a:sendto(host, b_port, 'hello') }, { 5 })
    test.equal({ b:recvfrom() }, { 'hello', { host = host, port = a_port, family = family } })
  end)

  test.case('an empty datagram is one: ' .. host, function()
    local a, a_port = loopback.datagram(host)
    local b, b_port = loopback.datagram(host)
    for _, data in ipairs { '', false } do
      test.equal({ a:sendto(host, b_port, data or nil) }, { 0 })
      test.equal({ b:recvfrom() }, { '', { host = host, port = a_port, family = family } })
    end
    a:sysconnect(host, b_port)
    test.equal({ a:send('') }, { 0 })
    test.equal(b:recv(nil, nil, 1), '')
    b:sendto(host, a_port, '')
    test.equal({ a:recv(nil, nil, 1), a:errno() }, { '', 0 })
  end)
end

test.case('datagrams keep their bounds', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  for _, text in ipairs { 'one', 'two', '', 'three' } do a:sendto('127.0.0.1', port, text) end
  test.equal({ b:recv(), b:recv(100), b:recv(), b:recv() }, { 'one', 'two', '', 'three' })
end)

test.case('without a size the whole datagram comes, however large', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  for _, size in ipairs { 1, 513, 9000, 65507 } do
    local data = ('d'):rep(size)
    test.equal(a:sendto('127.0.0.1', port, data), size)
    test.ok(b:recv() == data)
    a:sendto('127.0.0.1', port, data)
    test.ok(b:recvfrom() == data)
  end
end)

test.case('a size cuts a datagram, and the rest is lost', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  for _, text in ipairs { 'abcdef', 'second', 'third' } do a:sendto('127.0.0.1', port, text) end
  test.equal({ b:recv(3), b:recv(0), b:recv() }, { 'abc', '', 'third' })
  test.fails('ETIMEDOUT', b:recv(nil, nil, 0))
end)

test.case('MSG_PEEK looks at a datagram without taking it, MSG_TRUNC is accepted', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  a:sendto('127.0.0.1', port, 'abcdef')
  test.equal({ b:recv(nil, 'MSG_PEEK'), b:recv(2, 'MSG_PEEK'), b:recv(3, 'MSG_TRUNC') },
    { 'abcdef', 'ab', 'abc' })
end)

test.case('recvfrom waits, and gives up after its timeout', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  test.fails('ETIMEDOUT', test.takes(0.004, 5, b.recvfrom, b, nil, nil, 0.005))
  test.fails('ETIMEDOUT', b:recvfrom(100, 0))
  local receiver = fiber.spawn(b.recvfrom, b)
  fiber.yield()
  a:sendto('127.0.0.1', port, 'x')
  test.equal({ (select(2, receiver:join())) }, { 'x' })
  b:nonblock(true)
  test.fails('EAGAIN', b:recvfrom())
end)

test.case('several fibers receive from one socket: each datagram goes to one of them', function()
  local a = loopback.datagram()
  local b, port = loopback.datagram()
  local receivers = {}
  for i = 1, 5 do receivers[i] = fiber.spawn(b.recv, b) end
  fiber.yield()
  for i = 1, 5 do a:sendto('127.0.0.1', port, tostring(i)) end
  local got = {}
  for i = 1, 5 do got[i] = select(2, receivers[i]:join()) end
  table.sort(got)
  test.equal(got, { '1', '2', '3', '4', '5' })
end)

test.case('sendto says what is wrong', function()
  local a = loopback.datagram()
  test.fails('EINVAL', a:sendto('localhost', 80, 'x'))
  test.fails('EINVAL', a:sendto('127.0.0.1', 70000, 'x'))
  test.fails('EINVAL', a:sendto('127.0.0.1', 80, 'x', 'MSG_NOSUCH'))
  test.fails('EAFNOSUPPORT', a:sendto('::1', 80, 'x'))
  test.fails('EINVAL', a:sendto())
  test.fails('EMSGSIZE', a:sendto('127.0.0.1', 9, ('x'):rep(70000)))
  test.equal(a:errno(), errno.EMSGSIZE)
  test.raises('string expected', a.sendto, a, '127.0.0.1', 9, {})
  test.equal(a:sendto('127.0.0.1', 9, 12345), 5)
end)

test.case('the limited broadcast address can be named', function()
  local a = loopback.datagram()
  test.match(test.fails(nil, a:sendto('255.255.255.255', 9, 'x')), '^255%.255%.255%.255:9: ')
end)

test.case('an unreachable port shows as ECONNREFUSED on a connected socket', function()
  local gone, port = loopback.datagram()
  gone:close()
  local a = loopback.datagram()
  a:sysconnect('127.0.0.1', port)
  a:send('x')
  test.fails('ECONNREFUSED', a:recv(nil, nil, 5))
end)

test.case('a connected UDP socket has a peer', function()
  local b, port = loopback.datagram()
  local a = loopback.datagram()
  test.equal({ a:sysconnect('127.0.0.1', port), a:peer().port, a:peer().protocol },
    { true, port, 'udp' })
  a:send('x')
  local _, from = b:recvfrom()
  test.equal(from.port, a:name().port)
end)

-- -- Multicast ------------------------------------------------------------------------------------

test.case('multicast on loopback, IPv4', function()
  local receiver = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  receiver:bind('0.0.0.0', 0)
  local port, group = receiver:name().port, '239.77.1.9'
  test.equal({ receiver:setsockopt('IPPROTO_IP', 'IP_ADD_MEMBERSHIP',
    { group = group, interface = '127.0.0.1' }) }, { true })
  local sender = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  test.equal(sender:setsockopt('IPPROTO_IP', 'IP_MULTICAST_IF', '127.0.0.1'), true)
  test.equal(sender:getsockopt('IPPROTO_IP', 'IP_MULTICAST_IF'), '127.0.0.1')
  test.equal({ sender:sendto(group, port, 'to all') }, { 6 })
  test.equal(receiver:recv(nil, nil, 5), 'to all')
  test.refused('EADDRINUSE', receiver:setsockopt('IPPROTO_IP', 'IP_ADD_MEMBERSHIP',
    { group = group, interface = 'lo' }))
  for _, interface in ipairs { 'lo', 1, '127.0.0.1' } do
    test.equal({ receiver:setsockopt('IPPROTO_IP', 'IP_DROP_MEMBERSHIP',
      { group = group, interface = interface }) }, { true })
    test.refused('EADDRNOTAVAIL',
      receiver:setsockopt('IPPROTO_IP', 'IP_DROP_MEMBERSHIP',
      { group = group, interface = interface }))
    test.equal({ receiver:setsockopt('IPPROTO_IP', 'IP_ADD_MEMBERSHIP',
      { group = group, interface = interface }) }, { true })
  end
  receiver:setsockopt('IPPROTO_IP', 'IP_DROP_MEMBERSHIP', { group = group, interface = 'lo' })
  sender:sendto(group, port, 'nobody listens')
  test.fails('ETIMEDOUT', receiver:recv(nil, nil, 0.005))
end)

--- The index of an interface to which the kernel sends IPv6 multicast, if there is one.
local function multicast_interface()
  for line in io.lines('/proc/net/ipv6_route') do
    local name = line:match('^ff0+ 08 .-(%S+)$')
    local file = name and io.open(('/sys/class/net/%s/ifindex'):format(name))
    if file then
      local index = file:read('n')
      file:close()
      return index
    end
  end
end

test.case('multicast groups of IPv6 are joined and left', function()
  local s = socket('AF_INET6', 'SOCK_DGRAM', 'udp')
  for _, interface in ipairs { 'lo', 1 } do
    local group = { group = 'ff11::77:19', interface = interface }
    test.equal({ s:setsockopt('IPPROTO_IPV6', 'IPV6_JOIN_GROUP', group) }, { true })
    test.refused('EADDRINUSE', s:setsockopt('IPPROTO_IPV6', 'IPV6_JOIN_GROUP', group))
    test.equal({ s:setsockopt('IPPROTO_IPV6', 'IPV6_LEAVE_GROUP', group) }, { true })
    test.refused('EADDRNOTAVAIL', s:setsockopt('IPPROTO_IPV6', 'IPV6_LEAVE_GROUP', group))
  end
end)

local delivery = 'multicast that this machine hears itself, IPv6'
local hears_itself = multicast_interface()
if hears_itself then
  test.case(delivery, function()
    local receiver = socket('AF_INET6', 'SOCK_DGRAM', 'udp')
    receiver:bind('::', 0)
    local port, group = receiver:name().port, 'ff11::77:19'
    receiver:setsockopt('IPPROTO_IPV6', 'IPV6_JOIN_GROUP',
      { group = group, interface = hears_itself })
    local sender = socket('AF_INET6', 'SOCK_DGRAM', 'udp')
    test.equal(sender:setsockopt('IPPROTO_IPV6', 'IPV6_MULTICAST_IF', hears_itself), true)
    test.equal(sender:getsockopt('IPPROTO_IPV6', 'IPV6_MULTICAST_IF'), hears_itself)
    test.equal(sender:setsockopt('IPPROTO_IPV6', 'IPV6_MULTICAST_LOOP', 1), true)
    test.equal({ sender:sendto(group, port, 'to all') }, { 6 })
    test.equal(receiver:recv(nil, nil, 5), 'to all')
  end)
else
  test.skip(delivery, 'no interface has a route for it')
end

test.case('groups that are none are refused', function()
  local s = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  local function join(value) return s:setsockopt('IPPROTO_IP', 'IP_ADD_MEMBERSHIP', value) end
  test.refused('EINVAL', join('group'))
  test.refused('EAFNOSUPPORT', join('ff11::1'))
  test.refused('EINVAL', join('127.0.0.1'))
  test.refused('ENODEV', join({ group = '239.1.1.1', interface = 'nosuch0' }))
  test.refused('ENODEV', join({ group = '239.1.1.1', interface = 99999 }))
  for _, value in ipairs { 5, true, {}, print } do test.raises('string expected', join, value) end
  test.refused('ENODEV', join({ group = '239.1.1.1', interface = 1.5 }))
  test.raises('an interface is a name or a number', join, { group = '239.1.1.1', interface = {} })
  local s6 = socket('AF_INET6', 'SOCK_DGRAM', 'udp')
  test.refused('EINVAL', s6:setsockopt('IPPROTO_IPV6', 'IPV6_JOIN_GROUP', '::1'))
  test.refused('ENODEV', s6:setsockopt('IPPROTO_IPV6', 'IPV6_JOIN_GROUP',
    { group = 'ff11::1', interface = 'nosuch0' }))
  test.refused('ENODEV', s:setsockopt('IPPROTO_IP', 'IP_MULTICAST_IF', 'nosuch0'))
  test.refused('EADDRNOTAVAIL', s:setsockopt('IPPROTO_IP', 'IP_MULTICAST_IF', '192.0.2.77'))
end)

test.case('a multicast interface can be told by number, name or address', function()
  local s = socket('AF_INET', 'SOCK_DGRAM', 'udp')
  for _, interface in ipairs { 'lo', 1, 0, '127.0.0.1', '0.0.0.0' } do
    test.equal({ s:setsockopt('IPPROTO_IP', 'IP_MULTICAST_IF', interface) }, { true })
  end
end)

test.finish()
