-- socket_plain_test.lua: sysread, syswrite, recv and send, in both modes.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

--- Runs the case for a TCP connection and for a Unix socket pair.
local function for_streams(sentence, body)
  for name, pair in pairs { TCP = loopback.pair, Unix = loopback.unix_pair } do
    test.case(('%s (%s)'):format(sentence, name), function()
      local a, b = pair()
      body(a, b)
      return b -- neither end is collected before
    end)
  end
end

-- -- Waiting mode ---------------------------------------------------------------------------------

for_streams('sysread and recv wait until something arrives', function(a, b)
  for _, name in ipairs { 'sysread', 'recv' } do
    local reader = fiber.spawn(function() return a[name](a, 100) end)
    fiber.yield()
    test.equal(reader:status(), 'suspended')
    b:write('arrived')
    test.equal({ reader:join() }, { true, 'arrived' })
  end
end)

for_streams('sysread, recv and recvfrom give up after their timeout', function(a)
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.sysread, a, 10, 0.005))
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.recv, a, 10, 0.005))
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.recv, a, 10, nil, 0.005))
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.recvfrom, a, nil, nil, 0.005))
  test.equal({ a:errno(), a:error() }, { errno.ETIMEDOUT, 'Connection timed out' })
  for _, timeout in ipairs { 0, -1, -1e300, math.mininteger } do
    test.fails('ETIMEDOUT', a:sysread(10, timeout))
    test.fails('ETIMEDOUT', a:recv(10, nil, timeout))
  end
end)

for_streams('with timeout 0 they take what is there', function(a, b)
  for _, name in ipairs { 'sysread', 'recv', 'recvfrom' } do
    b:write('here')
    a:readable()
    test.equal(a[name](a, 10, 0), 'here')
  end
end)

for_streams('an endless timeout is none', function(a, b)
  for _, timeout in ipairs { math.huge, 1e300, math.maxinteger } do
    fiber.new(function() b:write('x') end)
    test.equal(a:sysread(1, timeout), 'x')
  end
end)

for_streams('a timeout that is NaN or no number raises', function(a)
  test.raises('NaN', a.sysread, a, 1, 0 / 0)
  test.raises('NaN', a.recv, a, 1, nil, 0 / 0)
  test.raises('NaN', a.syswrite, a, 'x', 0 / 0)
  test.raises('NaN', a.send, a, 'x', nil, 0 / 0)
  test.raises('number expected', a.sysread, a, 1, {})
  test.raises('number expected', a.syswrite, a, 'x', 'soon')
end)

for_streams('at the end of the stream they return the empty string, again and again', function(a, b)
  b:write('rest')
  b:close()
  test.equal(a:sysread(100), 'rest')
  for _ = 1, 2 do
    test.equal({ a:sysread(10), a:recv(10), (a:recvfrom(10)) }, { '', '', '' })
    test.equal(a:errno(), 0)
  end
end)

for_streams('a size limits what is taken', function(a, b)
  b:write('abcdefgh')
  test.equal({ a:sysread(3), a:recv(2), (a:recvfrom(1)), a:recv(100) }, { 'abc', 'de', 'f', 'gh' })
end)

for_streams('size 0 takes nothing', function(a, b)
  b:write('abc')
  test.equal({ a:sysread(0), a:recv(0), (a:recvfrom(0)) }, { '', '', '' })
  test.equal(a:sysread(10), 'abc')
end)

for_streams('without a size sysread takes 16320 bytes, recv and recvfrom 512', function(a, b)
  b:write(('x'):rep(40000))
  test.eventually(function() return #a:recv(40000, 'MSG_PEEK') >= 20000 end)
  test.equal({ #a:sysread(), #a:recv(), #a:recvfrom(), #a:recv(nil) }, { 16320, 512, 512, 512 })
end)

for_streams('sizes that are none raise', function(a)
  for _, name in ipairs { 'sysread', 'recv', 'recvfrom' } do
    test.raises('negative', a[name], a, -1)
    test.raises('negative', a[name], a, math.mininteger)
    test.raises('number expected', a[name], a, {})
    test.raises('integer', a[name], a, 1.5)
    test.raises('integer', a[name], a, 0 / 0)
    test.raises('integer', a[name], a, math.huge)
  end
end)

for_streams('a size beyond all memory is ENOMEM and loses nothing', function(a, b)
  b:write('kept')
  a:readable()
  for _, size in ipairs { math.maxinteger, 1 << 60 } do
    test.fails('ENOMEM', a:sysread(size))
    test.fails('ENOMEM', a:recv(size))
  end
  test.equal(a:sysread(10), 'kept')
end)

for_streams('syswrite and send return what was taken', function(a, b)
  test.equal({ a:syswrite('hello'), a:send(' world'), a:syswrite(''), a:send('') }, { 5, 6, 0, 0 })
  test.equal(b:read(11), 'hello world')
  for _, value in ipairs { 5, {}, true, print } do
    test.raises('string expected', a.syswrite, a, value)
    test.raises('string expected', a.send, a, value)
  end
  test.raises('string expected', a.syswrite, a)
  test.raises('string expected', a.send, a, nil)
end)

for_streams('syswrite and send wait until the kernel takes more', function(a, b)
  for _, name in ipairs { 'syswrite', 'send' } do
    local total = loopback.fill(a)
    local writer = fiber.spawn(function() return a[name](a, 'more') end)
    fiber.yield()
    test.equal(writer:status(), 'suspended')
    test.equal(#b:read(total), total)
    test.equal({ writer:join() }, { true, 4 })
    test.equal(b:read(4), 'more')
  end
end)

for_streams('syswrite and send give up after their timeout', function(a)
  loopback.fill(a)
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.syswrite, a, 'x', 0.005))
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.send, a, 'x', nil, 0.005))
  test.fails('ETIMEDOUT', a:syswrite('x', 0))
end)

for_streams('writing to a peer that is gone fails with EPIPE or ECONNRESET', function(a, b)
  b:close()
  test.eventually(function()
    local n, _, code = a:syswrite('x')
    return not n and (code == errno.EPIPE or code == errno.ECONNRESET)
  end)
  test.ok(a:errno() ~= 0)
end)

test.case('an unconnected socket is ENOTCONN', function()
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  test.fails('ENOTCONN', s:sysread(1))
  test.fails('ENOTCONN', s:recv(1))
  test.fails('EPIPE', s:syswrite('x'))
  test.fails('EPIPE', s:send('x'))
end)

test.case('a connection that was reset says so', function()
  local a, b = loopback.pair()
  a:write('unread')
  b:readable()
  b:linger(true, 0)
  b:close()
  test.fails('ECONNRESET', a:sysread(1))
end)

-- -- Flags ----------------------------------------------------------------------------------------

for_streams('MSG_PEEK leaves the data there', function(a, b)
  b:write('abc')
  test.equal({ a:recv(2, 'MSG_PEEK'), a:recv(9, { 'MSG_PEEK' }), a:recv(9) },
    { 'ab', 'abc', 'abc' })
end)

for_streams('MSG_DONTWAIT fails with EAGAIN or waits for the fiber\'s sake, but never blocks',
  function(a)
  test.fails(nil, a:recv(10, 'MSG_DONTWAIT', 0.001))
  test.fails(nil, a:recv(10, {}, 0.001))
end)

for_streams('an unknown flag is EINVAL', function(a)
  for _, flags in ipairs { 'MSG_NOSUCH', '', { 'MSG_PEEK', 'x' }, { 1 }, { {} }, true } do
    test.fails('EINVAL', a:recv(1, flags))
    test.fails('EINVAL', a:recvfrom(1, flags))
    test.fails('EINVAL', a:send('x', flags))
  end
  a:nonblock(true)
  test.fails('EINVAL', a:recv(1, 2))
  test.equal(a:errno(), errno.EINVAL)
end)

test.case('flags of send: out-of-band data and MSG_MORE', function()
  local a, b = loopback.pair()
  test.equal(a:send('!', 'MSG_OOB'), 1)
  test.eventually(function() return b:recv(1, 'MSG_OOB', 0) == '!' end)
  test.equal(a:send('one ', { 'MSG_MORE', 'MSG_NOSIGNAL' }), 4)
  a:send('two')
  test.equal(b:read(7), 'one two')
end)

-- -- Immediate mode -------------------------------------------------------------------------------

for_streams('in immediate mode nothing waits', function(a, b)
  a:nonblock(true)
  test.fails('EAGAIN', a:sysread(10))
  test.fails('EAGAIN', a:sysread(10, 100))
  test.fails('EAGAIN', a:recv(10))
  test.fails('EAGAIN', a:recvfrom(10))
  b:write('there')
  test.equal(a:readable(), true)
  test.equal({ a:sysread(2), a:recv(2), (a:recvfrom(9)) }, { 'th', 'er', 'e' })
  loopback.fill(a)
  test.fails('EAGAIN', a:syswrite('x'))
  test.fails('EAGAIN', a:send('x'))
end)

for_streams('in immediate mode a large write takes a part', function(a)
  a:nonblock(true)
  local n = a:syswrite(('x'):rep(64 << 20))
  test.ok(n > 0 and n < 64 << 20)
end)

for_streams('in immediate mode a cancelled fiber can still read and write', function(a, b)
  a:nonblock(true)
  b:write('left')
  a:readable()
  local f = fiber.spawn(function() return a:sysread(10), a:syswrite('bye') end)
  f:cancel()
  test.equal({ f:join() }, { true, 'left', 3 })
end)

for_streams('in waiting mode it cannot, even if it need not wait', function(a, b)
  b:write('left')
  for _, call in ipairs { function() a:sysread(10) end, function() a:sysread(10, 0) end,
      function() a:recv(10) end,
    function() a:syswrite('x') end, function() a:syswrite('x', 0) end,
    function() a:send('x') end } do
    local f = fiber.spawn(call)
    f:cancel()
    local ok, err = f:join()
    test.equal(ok, false)
    test.ok(fiber.is_cancelled(err))
  end
  test.equal(a:sysread(10), 'left')
end)

for_streams('read, write, readable and wait do wait in immediate mode', function(a, b)
  a:nonblock(true)
  b:nonblock(true)
  fiber.new(function() b:write('x') end)
  test.equal(a:read(1), 'x')
  fiber.new(function() b:write('y') end)
  test.equal(a:readable(), true)
  local total = loopback.fill(a)
  local writer = fiber.spawn(a.write, a, 'z')
  fiber.yield()
  test.equal(#b:read(total + 1), total + 1)
  test.equal({ writer:join() }, { true, 1 })
end)

for_streams('sysread and recv bypass the read buffer', function(a, b)
  b:write('line\nbuffered')
  a:readline()
  b:write('fresh')
  test.equal(a:sysread(100), 'fresh')
  test.equal(a:read_any(), 'buffered')
end)

test.finish()
