-- socket_wait_test.lua: readable, writable, wait and iowait.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

test.case('readable says true for data, the end of the stream and errors', function()
  local a, b = loopback.pair()
  b:write('x')
  test.equal({ a:readable() }, { true })
  a:read(1)
  b:close()
  test.equal({ a:readable(5) }, { true })
  a, b = loopback.pair()
  a:write('unread')
  b:readable()
  b:linger(true, 0)
  b:close()
  test.equal({ a:readable(5) }, { true })
end)

test.case('readable waits for data', function()
  local a, b = loopback.pair()
  local waiter = fiber.spawn(a.readable, a)
  fiber.yield()
  test.equal(waiter:status(), 'suspended')
  b:write('x')
  test.equal({ waiter:join() }, { true, true })
end)

test.case('what is buffered does not count for readable', function()
  local a, b = loopback.pair()
  b:write('line\nrest')
  a:readline()
  test.equal(#a.rbuf, 4)
  test.refused('ETIMEDOUT', a:readable(0))
  return b
end)

test.case('readable, writable and wait give up after their timeout', function()
  local a, _b = loopback.full_pair()
  test.refused('ETIMEDOUT', test.takes(0.004, 5, a.readable, a, 0.005))
  test.refused('ETIMEDOUT', test.takes(0.004, 5, a.writable, a, 0.005))
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.wait, a, 0.005))
  test.equal({ a:errno(), a:error() }, { errno.ETIMEDOUT, 'Connection timed out' })
  for _, timeout in ipairs { 0, -1, -1e300 } do
    test.refused('ETIMEDOUT', a:readable(timeout))
    test.refused('ETIMEDOUT', a:writable(timeout))
    test.fails('ETIMEDOUT', a:wait(timeout))
  end
  for _, name in ipairs { 'readable', 'writable', 'wait' } do
    test.raises('NaN', a[name], a, 0 / 0)
    test.raises('number expected', a[name], a, 'soon')
  end
  return _b
end)

test.case('timeout 0 sees what is ready', function()
  local a, b = loopback.pair()
  b:write('x')
  test.equal({ a:readable(0), a:writable(0), a:wait(0) }, { true, true, 'RW' })
end)

test.case('writable waits until the kernel takes more', function()
  local a, b, total = loopback.full_pair()
  local waiter = fiber.spawn(a.writable, a)
  fiber.yield()
  test.equal(waiter:status(), 'suspended')
  b:read(total)
  test.equal({ waiter:join() }, { true, true })
end)

test.case('wait says R, W or RW', function()
  local a, b = loopback.pair()
  test.equal({ a:wait() }, { 'W' })
  b:write('x')
  a:readable()
  test.equal({ a:wait() }, { 'RW' })
  loopback.fill(a)
  test.equal({ a:wait() }, { 'R' })
end)

test.case('readable, writable and wait let others run even if all is ready', function()
  local a, b = loopback.pair()
  b:write('x')
  a:readable()
  for _, name in ipairs { 'readable', 'writable', 'wait' } do
    local ran = false
    fiber.new(function() ran = true end)
    a[name](a)
    test.ok(ran, name)
  end
end)

test.case('they wait in immediate mode too', function()
  local a, b = loopback.pair()
  a:nonblock(true)
  fiber.new(function() b:write('x') end)
  test.equal(a:readable(), true)
end)

test.case('closing from another fiber answers at once', function()
  for name, expected in pairs { readable = true, writable = true, wait = 'RW' } do
    local a, b = loopback.full_pair()
    local waiter = fiber.spawn(a[name], a)
    fiber.yield()
    test.equal(waiter:status(), 'suspended')
    a:close()
    test.equal({ waiter:join() }, { true, expected })
    b:close()
  end
end)

test.case('several fibers may wait for one socket', function()
  local a, b = loopback.unix_pair('SOCK_SEQPACKET')
  for _, name in ipairs { 'readable', 'recv', 'wait' } do
    if name == 'wait' then loopback.fill(a) end
    local waiters = {}
    for i = 1, 4 do waiters[i] = fiber.spawn(a[name], a) end
    test.settle()
    for i = 1, 4 do test.equal(waiters[i]:status(), 'suspended') end
    for _ = 1, name == 'recv' and 4 or 1 do b:send('x') end
    for i = 1, 4 do test.equal(waiters[i]:join(5), true) end
    a:recv(1, nil, 0)
  end
end)

test.case('wakeup does not end these waits', function()
  local a, b = loopback.pair()
  for _, name in ipairs { 'readable', 'read_any' } do
    local waiter = fiber.spawn(a[name], a)
    fiber.yield()
    waiter:wakeup()
    test.settle()
    test.equal(waiter:status(), 'suspended')
    b:write('x')
    test.equal(waiter:join(), true)
    a:recv(1, nil, 0)
  end
end)

test.case('a closed number that another socket gets at once never wakes the old waiter', function()
  for _ = 1, 20 do
    local a, b = loopback.unix_pair()
    local fd = a:fd()
    local reader = fiber.spawn(pcall, a.read, a, 5)
    fiber.yield()
    a:close()
    local c, d = loopback.unix_pair()
    test.ok(c:fd() == fd or d:fd() == fd)
    d:write('hello')
    test.equal(c:read(5, 5), 'hello')
    local _, ok, message = reader:join()
    test.equal(ok, false)
    test.match(message, 'closed socket')
    b:close()
  end
end)

-- -- iowait ---------------------------------------------------------------------------------------

test.case('iowait answers in the form in which it was asked', function()
  local a, b = loopback.pair()
  local fd = a:fd()
  test.equal({ socket.iowait(fd, 2), socket.iowait(fd, 'w'), socket.iowait(fd, 'W') },
    { 2, 'W', 'W' })
  test.equal({ socket.iowait(fd, 3), socket.iowait(fd, 'rw'), socket.iowait(fd, 'WR') },
    { 2, 'W', 'W' })
  b:write('x')
  a:readable()
  test.equal({ socket.iowait(fd, 1), socket.iowait(fd, 'r'), socket.iowait(fd, 'Rr') },
    { 1, 'R', 'R' })
  test.equal({ socket.iowait(fd, 3), socket.iowait(fd, 'rw') }, { 3, 'RW' })
end)

test.case('iowait waits, and its timeout gives 0 or the empty string', function()
  local a, b = loopback.pair()
  local fd = a:fd()
  test.equal({ test.takes(0.004, 5, socket.iowait, fd, 1, 0.005) }, { 0 })
  test.equal({ test.takes(0.004, 5, socket.iowait, fd, 'r', 0.005) }, { '' })
  test.equal({ socket.iowait(fd, 'r', 0), socket.iowait(fd, 1, -1) }, { '', 0 })
  local waiter = fiber.spawn(socket.iowait, fd, 'r')
  fiber.yield()
  b:write('x')
  test.equal({ waiter:join() }, { true, 'R' })
end)

test.case('iowait without a descriptor sleeps', function()
  test.equal(select('#', test.takes(0.004, 5, socket.iowait, nil, nil, 0.005)), 0)
  test.equal(select('#', test.takes(0.004, 5, socket.iowait, -1, nil, 0.005)), 0)
end)

test.case('iowait refuses bad events, descriptors and timeouts', function()
  local a, _b = loopback.pair()
  for _, events in ipairs { 0, 4, -1, '', 'x', 'rx', 'r\0', true, {}, print } do
    test.raises('Usage: socket.iowait', socket.iowait, a:fd(), events)
  end
  test.raises('Usage: socket.iowait', socket.iowait, a:fd())
  test.raises('integer', socket.iowait, 1.5, 'r')
  test.raises('number expected', socket.iowait, 'x', 'r')
  test.raises('NaN', socket.iowait, a:fd(), 'r', 0 / 0)
  test.fails('EBADF', socket.iowait(100000, 'r', 1))
  test.fails('EBADF', socket.iowait(-1, 'r', 1))
  test.fails('EBADF', socket.iowait(1 << 40, 'r', 1))
  test.equal(socket.errno(), errno.EBADF)
  return _b
end)

test.case('iowait raises when it is cancelled, in both forms', function()
  local a, _b = loopback.pair()
  for _, events in ipairs { 1, 'r' } do
    local waiter = fiber.spawn(socket.iowait, a:fd(), events)
    fiber.yield()
    waiter:cancel()
    local ok, err = waiter:join()
    test.equal(ok, false)
    test.ok(fiber.is_cancelled(err))
  end
  return _b
end)

test.case('iowait and the socket\'s own methods can wait for the same descriptor', function()
  local a, b = loopback.pair()
  local foreign = fiber.spawn(socket.iowait, a:fd(), 'r')
  local own = fiber.spawn(a.readable, a)
  fiber.yield()
  b:write('x')
  test.equal({ foreign:join() }, { true, 'R' })
  test.equal({ own:join() }, { true, true })
  test.equal(a:read(1), 'x')
end)

test.case('a regular file is always ready', function()
  local fd, file = descriptors.opened_by(io.tmpfile)
  test.equal({ socket.iowait(fd, 'rw', 5) }, { 'RW' })
  file:close()
end)

test.finish()
