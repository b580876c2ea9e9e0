-- socket_life_test.lua: what sockets tell of themselves, and their end.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local function new() return socket('AF_INET', 'SOCK_STREAM', 'tcp') end

local methods = {}
for name in ([[
  accept bind close detach errno error fd flush getsockopt linger lines listen name nonblock peek
  peer read read_any readable readline recv recvfd recvfrom send sendfd sendto setmaxline
  setsockopt setvbuf shutdown sysbind sysconnect sysread syswrite unread wait writable write
  writev
]]):gmatch('%S+') do
  methods[#methods + 1] = name
end

-- -- What a socket tells --------------------------------------------------------------------------

test.case('name and peer say address, family, type and protocol', function()
  local a, b = loopback.pair()
  local name, peer = a:name(), a:peer()
  test.equal({ name.host, name.family, name.type, name.protocol },
    { '127.0.0.1', 'AF_INET', 'SOCK_STREAM', 'tcp' })
  test.equal({ peer.host, peer.port }, { b:name().host, b:name().port })
  test.equal(tostring(peer), '127.0.0.1:' .. peer.port)
  test.equal(name.port, b:peer().port)
  a, b = loopback.pair('::1')
  test.equal({ a:name().host, a:name().family, b:peer().host }, { '::1', 'AF_INET6', '::1' })
end)

test.case('an unbound socket has the name 0.0.0.0:0 and no peer', function()
  local s = new()
  test.equal({ s:name().host, s:name().port }, { '0.0.0.0', 0 })
  test.fails('ENOTCONN', s:peer())
  test.equal(s:errno(), errno.ENOTCONN)
  local unix = socket('AF_UNIX', 'SOCK_STREAM', 0)
  local name = unix:name()
  test.equal({ name.host, name.port, name.family, name.protocol }, { 'unix/', '', 'AF_UNIX', 0 })
end)

test.case('tostring says descriptor, name and peer', function()
  local a, b = loopback.pair()
  test.equal(tostring(a), ('fd %d, aka 127.0.0.1:%d, peer 127.0.0.1:%d'):format(a:fd(),
    a:name().port, b:name().port))
  test.match(tostring(new()), '^fd %d+, aka 0%.0%.0%.0:0$')
  test.match(tostring(loopback.pair('::1')), '^fd %d+, aka %[::1%]:%d+, peer %[::1%]:%d+$')
end)

test.case('errno and error tell the socket\'s last failure, and every method forgets it first', function()
  local s = new()
  test.equal({ s:errno(), s:error() }, { 0 })
  for _, call in ipairs { s.name, s.nonblock } do
    test.fails('ENOTCONN', s:peer())
    test.equal({ s:errno(), s:error() }, { errno.ENOTCONN, 'Transport endpoint is not connected' })
    tostring(s)
    s:fd()
    test.equal(s:errno(), errno.ENOTCONN)
    call(s)
    test.equal({ s:errno(), s:error() }, { 0 })
  end
end)

test.case('the error of one socket survives waits and the failures of others', function()
  local s, other = new(), new()
  s:peer()
  other:sysconnect('no address', 1)
  fiber.sleep(0.001)
  test.equal({ s:errno(), other:errno() }, { errno.ENOTCONN, errno.EINVAL })
end)

test.case('nonblock switches between the two modes', function()
  local s = new()
  test.equal(s:nonblock(), false)
  test.equal({ s:nonblock(true), s:nonblock() }, { true, true })
  test.equal({ s:nonblock(false), s:nonblock() }, { false, false })
  test.equal({ s:nonblock(0), s:nonblock('x'), s:nonblock(nil) }, { true, true, true })
end)

test.case('rbuf shows what is buffered', function()
  local a, b = loopback.unix_pair()
  test.equal({ #a.rbuf, a.rbuf:size(), tostring(a.rbuf) }, { 0, 0, '' })
  b:write('hello\nworld')
  test.equal(a:readline(), 'hello\n')
  local rbuf = a.rbuf
  test.equal({ #rbuf, rbuf:size(), tostring(rbuf) }, { 5, 5, 'world' })
  a:read(2)
  test.equal(tostring(rbuf), 'rld')
  test.raises('rbuf', rbuf.size, a)
end)

test.case('what is no socket has no rbuf', function()
  local index = debug.getmetatable(new()).__index
  for _, other in ipairs { 1, 'x', {}, io.stdout, fiber.self(), print } do
    test.equal(index(other, 'rbuf'), nil)
  end
  test.equal(index(nil, 'rbuf'), nil)
end)

test.case('a socket has no other fields', function()
  local s = new()
  test.equal({ s.nothing, s[1], s[true] }, {})
  test.raises('index', function() s.field = 1 end)
end)

-- -- The end --------------------------------------------------------------------------------------

test.case('every method of a closed socket raises', function()
  local s = new()
  test.equal({ s:close() }, { true })
  for _, name in ipairs(methods) do
    test.raises('attempt to use closed socket', s[name], s)
  end
  test.raises('attempt to use closed socket', tostring, s)
end)

test.case('a method that is called with something else raises the usage', function()
  local s = new()
  for _, name in ipairs(methods) do
    test.raises('^Usage: socket:method%(%)', s[name])
    for _, other in ipairs { 1, 'x', {}, io.stdout, fiber.self(), fiber.cond(), print } do
      test.raises('^Usage: socket:method%(%), called with non%-socket', s[name], other)
    end
  end
end)

test.case('leaving the scope of a <close> variable closes the socket', function()
  local kept
  do
    local s <close> = new()
    kept = s
  end
  test.raises('closed socket', kept.fd, kept)
  do
    local s <close> = new()
    s:close()
  end
end)

test.case('a socket that is forgotten is closed by the collector', function()
  local a, b = loopback.unix_pair()
  test.ok(a:fd() >= 0)
  a = nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  test.equal(b:read(1, 5), '')
end)

test.case('calling the finalizer by hand does no harm', function()
  local s = new()
  local finalizer = (getmetatable(s) or {}).__gc
  if not finalizer then return end
  finalizer(s)
  finalizer(s)
  test.raises('closed socket', s.fd, s)
  for _, other in ipairs { 1, 'x', {}, io.stdout, fiber.self() } do pcall(finalizer, other) end
  pcall(finalizer)
  local f = fiber.spawn(fiber.sleep, 0.001)
  pcall(getmetatable(f).__gc, f)
  test.equal(f:join(), true)
end)

test.finish()
