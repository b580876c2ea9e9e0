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

test.case('rbuf is that of the socket that is named, however it is', function()
  local a, b = loopback.unix_pair()
  a:write('hello')
  b:write('hi')
  a:peek(1)
  b:peek(1)
  local function of_parameter(s) return tostring(s.rbuf) end
  local function of_upvalue() return tostring(b.rbuf) end
  local function among_others(...)
    local first, key, last = ..., 'rbu' .. 'f', select(-1, ...)
    return #first[key], #last[key], #({ first, last })[2].rbuf
  end
  test.equal({ of_parameter(a), of_parameter(b), of_upvalue() }, { 'hi', 'hello', 'hello' })
  test.equal({ among_others(a, 1, b) }, { 2, 5, 5 })
  test.equal(#a.rbuf .. #b.rbuf .. b.rbuf:size() .. #a.rbuf, '2552')
  test.equal(coroutine.wrap(of_parameter)(a), 'hi')
  test.equal(load(string.dump(of_parameter, true))(b), 'hello')
  test.equal(load('local _ENV = ...; return #rbuf')(b), 5)
  local compare = setmetatable({}, { __eq = function() return #a.rbuf == 2 end })
  test.equal(compare == setmetatable({}, getmetatable(compare)), true)
  -- The name does not fit into the instruction that reads the field.
  local many = {}
  for i = 1, 300 do many[i] = ('x = %q'):format('name ' .. i) end
  local code = ('local a, b, x = ...; %s; return #a.rbuf, #b.rbuf'):format(table.concat(many, ';'))
  test.equal({ load(code)(a, b) }, { 2, 5 })
end)

test.case('what is no socket has no rbuf', function()
  local class = debug.getmetatable(new()).__index
  local field = getmetatable(class).__index
  local s = new()
  local heir = setmetatable({}, { __index = s })
  test.equal({ class.rbuf, heir.rbuf, field(s, 'rbuf'), select(2, pcall(field, s, 'rbuf')) }, {})
  test.equal({ field(), field(s), field(nil, s), heir.close }, { [4] = s.close })
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
