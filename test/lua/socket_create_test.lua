-- socket_create_test.lua: making sockets, what they tell of themselves, and their end.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local tcp = { 'AF_INET', 'SOCK_STREAM', 'tcp' }
local function new() return socket(table.unpack(tcp)) end

local methods = {}
for name in ([[ accept bind close detach errno error fd flush getsockopt linger lines listen name nonblock peek
  peer read read_any readable readline recv recvfd recvfrom send sendfd sendto setmaxline setsockopt setvbuf
  shutdown sysbind sysconnect sysread syswrite unread wait writable write writev ]]):gmatch('%S+') do
  methods[#methods + 1] = name
end

-- -- The constructor ----------------------------------------------------------------------------------

test.case('domain, type and protocol are names or numbers', function()
  for _, words in ipairs { tcp, { 'PF_INET', 'SOCK_STREAM', 'tcp' }, { 2, 1, 6 }, { 'AF_INET', 'SOCK_STREAM', 0 },
    { 'AF_INET', 'SOCK_STREAM' }, { 'AF_INET', 'SOCK_STREAM', nil }, { 'AF_INET6', 'SOCK_STREAM', 'tcp' },
    { 'AF_INET', 'SOCK_DGRAM', 'udp' }, { 'AF_UNIX', 'SOCK_STREAM', 0 }, { 'PF_LOCAL', 'SOCK_DGRAM', 'ip' },
    { 'AF_UNIX', 'SOCK_SEQPACKET', 0 }, { 2.0, 1.0, 6.0 } } do
    local s = test.ok(socket(table.unpack(words)))
    test.equal(s:close(), true)
  end
end)

test.case('an unknown domain or type is EINVAL', function()
  for _, words in ipairs { { 'AF_NONE', 'SOCK_STREAM', 0 }, { 'INET', 'SOCK_STREAM', 0 }, { 'af_inet', 'SOCK_STREAM', 0 },
    { 'AF_INET', 'STREAM', 0 }, { 'AF_INET', 'sock_stream', 0 }, { nil, 'SOCK_STREAM', 0 }, { 'AF_INET', nil, 0 },
    { {}, 'SOCK_STREAM', 0 }, { 'AF_INET', true, 0 }, { 'AF_INET', 'SOCK_STREAM', {} }, { 1 << 40, 1, 0 },
    { 2.5, 1, 0 }, {}, { '', '', '' }, { ('A'):rep(10 << 20), 'SOCK_STREAM', 0 } } do
    test.equal(test.fails('EINVAL', socket(table.unpack(words, 1, 3))), 'Invalid argument')
  end
end)

test.case('an unknown protocol name is EPROTOTYPE', function()
  test.fails('EPROTOTYPE', socket('AF_INET', 'SOCK_STREAM', 'nosuch'))
  test.fails('EPROTOTYPE', socket('AF_INET', 'SOCK_STREAM', 'TCPX'))
  test.fails('EPROTOTYPE', socket('AF_INET', 'SOCK_STREAM', 'tcp\0'))
  test.fails('EPROTOTYPE', socket('AF_INET', 'SOCK_STREAM', ''))
end)

test.case('what the kernel refuses is its error', function()
  test.fails('EPROTONOSUPPORT', socket('AF_INET', 'SOCK_STREAM', 'udp'))
  test.fails('EAFNOSUPPORT', socket(250, 'SOCK_STREAM', 0))
  test.fails(nil, socket('AF_INET', 99, 0))
end)

test.case('the module remembers the last failure of its functions in this fiber', function()
  socket(nil, nil, nil)
  test.equal({ socket.errno(), socket.error() }, { errno.EINVAL, 'Invalid argument' })
  test.equal({ socket:errno(), socket:error() }, { errno.EINVAL, 'Invalid argument' })
  local f = fiber.spawn(function()
    local first = { socket.errno(), socket.error() }
    socket('AF_INET', 'SOCK_STREAM', 'nosuch')
    return first, socket.errno()
  end)
  test.equal({ f:join() }, { true, { 0 }, errno.EPROTOTYPE })
  test.equal(socket.errno(), errno.EINVAL)
end)

test.case('socket.internal has the tables of names', function()
  local internal = socket.internal
  test.equal({ internal.DOMAIN.AF_INET, internal.DOMAIN.PF_INET6, internal.DOMAIN.AF_UNIX }, { 2, 10, 1 })
  test.equal({ internal.SO_TYPE.SOCK_STREAM, internal.SO_TYPE.SOCK_DGRAM }, { 1, 2 })
  test.equal({ internal.SEND_FLAGS.MSG_PEEK, internal.protocols.tcp }, { 2, 6 })
  test.equal({ internal.AI_FLAGS.AI_PASSIVE, internal.SO_OPT[1].SO_REUSEADDR }, { 1, 2 })
end)

test.case('the words for shutdown are numbers', function()
  test.equal({ socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR }, { 0, 1, 2 })
end)

test.case('every descriptor is non-blocking and closed on exec', function()
  local function flags(fd)
    for line in io.lines(('/proc/self/fdinfo/%d'):format(fd)) do
      local octal = line:match('^flags:%s*(%d+)')
      if octal then return tonumber(octal, 8) end
    end
  end
  local a, b = loopback.pair()
  local left, right = loopback.unix_pair()
  for _, s in ipairs { new(), a, b, left, right } do
    test.equal(flags(s:fd()) & 0x80800, 0x80800)
  end
  local pipe = io.popen(('ls -l /proc/self/fd | grep -c socket:'):format())
  test.equal(pipe:read('n'), 0)
  pipe:close()
end)

-- -- socketpair ---------------------------------------------------------------------------------------

test.case('socketpair gives two connected sockets', function()
  for _, type in ipairs { 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_SEQPACKET' } do
    local a, b = socket.socketpair('AF_UNIX', type, 0)
    a:send('there')
    test.equal(b:recv(), 'there')
    b:send('back')
    test.equal(a:recv(), 'back')
  end
  test.ok(socket.socketpair('AF_UNIX', 'SOCK_STREAM'))
end)

test.case('socketpair fails with EINVAL, EPROTOTYPE or what the kernel says', function()
  test.fails('EINVAL', socket.socketpair('AF_NONE', 'SOCK_STREAM', 0))
  test.fails('EINVAL', socket.socketpair())
  test.fails('EPROTOTYPE', socket.socketpair('AF_UNIX', 'SOCK_STREAM', 'nosuch'))
  test.fails('EOPNOTSUPP', socket.socketpair('AF_INET', 'SOCK_STREAM', 0))
  test.equal(socket.errno(), errno.EOPNOTSUPP)
end)

-- -- from_fd and detach -------------------------------------------------------------------------------

test.case('detach gives the number away and closes the object', function()
  local a, b = loopback.unix_pair()
  local fd = a:fd()
  test.equal(a:detach(), fd)
  test.raises('attempt to use closed socket', a.fd, a)
  b:write('for the new owner')
  local c = socket.from_fd(fd)
  test.equal({ c:fd(), c:read(100, 0) }, { fd, nil, 'Connection timed out', errno.ETIMEDOUT })
  test.equal(c:read_any(), 'for the new owner')
  c:write('answer')
  test.equal(b:read_any(), 'answer')
end)

test.case('detach wakes whoever waits', function()
  local a, _ = loopback.unix_pair()
  local reader = fiber.spawn(a.read, a, 1)
  fiber.yield()
  local fd = a:detach()
  local ok, message = reader:join()
  test.equal(ok, false)
  test.match(message, 'attempt to use closed socket')
  socket.from_fd(fd):close()
end)

test.case('from_fd takes pipes too', function()
  local fd, pipe = descriptors.opened_by(io.popen, 'cat; echo at the end', 'r')
  local s = socket.from_fd(fd)
  test.equal(s:readline(), 'at the end\n')
  test.equal(s:read(), '')
  test.fails('ENOTSOCK', s:name())
  test.fails('ENOTSOCK', s:peer())
  test.match(tostring(s), '^fd %d+$')
  s:detach()
  pipe:close()
end)

test.case('from_fd of what is no open descriptor fails with EBADF', function()
  for _, fd in ipairs { -1, 1000000, 1 << 31, 1 << 40, math.mininteger, math.maxinteger } do
    test.fails('EBADF', socket.from_fd(fd))
  end
  test.raises('fd must be a number', socket.from_fd)
  test.raises('fd must be a number', socket.from_fd, '3')
  test.raises('integer', socket.from_fd, 1.5)
  test.raises('integer', socket.from_fd, 0 / 0)
end)

-- -- What a socket tells ------------------------------------------------------------------------------

test.case('name and peer say address, family, type and protocol', function()
  local a, b = loopback.pair()
  local name, peer = a:name(), a:peer()
  test.equal({ name.host, name.family, name.type, name.protocol }, { '127.0.0.1', 'AF_INET', 'SOCK_STREAM', 'tcp' })
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
  test.equal(tostring(a), ('fd %d, aka 127.0.0.1:%d, peer 127.0.0.1:%d'):format(a:fd(), a:name().port, b:name().port))
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

test.case('a socket has no other fields', function()
  local s = new()
  test.equal({ s.nothing, s[1], s[true] }, {})
  test.raises('index', function() s.field = 1 end)
end)

-- -- The end ------------------------------------------------------------------------------------------

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

test.case('the module answers to both names', function()
  test.equal(rawequal(require 'socket', require 'coir.socket'), true)
end)

test.finish()
