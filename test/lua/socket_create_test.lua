-- socket_create_test.lua: making sockets: the constructor, socketpair, from_fd and detach.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local tcp = { 'AF_INET', 'SOCK_STREAM', 'tcp' }
local function new() return socket(table.unpack(tcp)) end

-- -- The constructor ------------------------------------------------------------------------------

test.case('domain, type and protocol are names or numbers', function()
  for _, words in ipairs { tcp, { 'PF_INET', 'SOCK_STREAM', 'tcp' }, { 2, 1, 6 },
      { 'AF_INET', 'SOCK_STREAM', 0 },
    { 'AF_INET', 'SOCK_STREAM' }, { 'AF_INET', 'SOCK_STREAM', nil },
    { 'AF_INET6', 'SOCK_STREAM', 'tcp' },
    { 'AF_INET', 'SOCK_DGRAM', 'udp' }, { 'AF_UNIX', 'SOCK_STREAM', 0 },
    { 'PF_LOCAL', 'SOCK_DGRAM', 'ip' },
    { 'AF_UNIX', 'SOCK_SEQPACKET', 0 }, { 2.0, 1.0, 6.0 } } do
    local s = test.ok(socket(table.unpack(words)))
    test.equal(s:close(), true)
  end
end)

test.case('an unknown domain or type is EINVAL', function()
  for _, words in ipairs { { 'AF_NONE', 'SOCK_STREAM', 0 }, { 'INET', 'SOCK_STREAM', 0 },
      { 'af_inet', 'SOCK_STREAM', 0 },
    { 'AF_INET', 'STREAM', 0 }, { 'AF_INET', 'sock_stream', 0 }, { nil, 'SOCK_STREAM', 0 },
    { 'AF_INET', nil, 0 },
    { {}, 'SOCK_STREAM', 0 }, { 'AF_INET', true, 0 }, { 'AF_INET', 'SOCK_STREAM', {} },
    { 1 << 40, 1, 0 },
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
  test.equal({ internal.DOMAIN.AF_INET, internal.DOMAIN.PF_INET6, internal.DOMAIN.AF_UNIX },
    { 2, 10, 1 })
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

-- -- socketpair -----------------------------------------------------------------------------------

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

-- -- from_fd and detach ---------------------------------------------------------------------------

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

test.case('the module answers to both names', function()
  test.equal(rawequal(require 'socket', require 'coir.socket'), true)
end)

test.finish()
