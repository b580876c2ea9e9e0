-- socket_gather_test.lua: gathered output: setvbuf, flush, and when it is sent without them.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local megabyte = 1 << 20

test.case('setvbuf takes "no" or "auto"', function()
  local a, _b = loopback.pair()
  test.equal({ a:setvbuf('auto'), a:setvbuf('no') }, { true, true })
  test.raises('invalid option', a.setvbuf, a, 'full')
  test.raises('string expected', a.setvbuf, a)
  test.raises('string expected', a.setvbuf, a, {})
  return _b
end)

test.case('gathered output goes when the fiber waits', function()
  local a, b = loopback.pair()
  a:setvbuf('auto')
  test.equal({ a:write('one '), a:write({ 'two ', 'three ' }), a:writev('four') }, { 4, 10, 4 })
  test.fails('EAGAIN', (function() b:nonblock(true); return b:recv(100) end)())
  b:nonblock(false)
  test.equal(b:recv(100), 'one two three four')
end)

test.case('gathered output goes when the fiber sleeps, yields or ends', function()
  local a, b = loopback.pair()
  a:setvbuf('auto')
  for _, leave in ipairs { fiber.yield, function() fiber.sleep(0.001) end } do
    a:write('left')
    leave()
    test.equal(b:recv(100, nil, 0), 'left')
  end
  fiber.create(function() a:write('ended') end)
  test.equal(b:recv(100, nil, 1), 'ended')
end)

test.case('flush sends at once', function()
  local a, b = loopback.pair()
  test.equal({ a:flush() }, { true })
  a:setvbuf('auto')
  a:write('flushed')
  test.equal({ a:flush(), a:flush(1) }, { true, true })
  b:nonblock(true)
  test.equal(b:recv(100), 'flushed')
end)

test.case('flush waits for the kernel, and gives up after its timeout', function()
  local a, b, total = loopback.full_pair()
  a:setvbuf('auto')
  test.equal(a:write('more'), 4)
  test.refused('ETIMEDOUT', test.takes(0.004, 5, a.flush, a, 0.005))
  test.refused('ETIMEDOUT', a:flush(0))
  test.equal(#b:read(total), total)
  test.equal(a:flush(1), true)
  test.equal(b:read(4), 'more')
end)

test.case('a large write is sent at once, behind what was gathered', function()
  local a, b = loopback.pair()
  a:setvbuf('auto')
  a:write('first')
  local writer = fiber.spawn(a.write, a, ('x'):rep(megabyte))
  test.equal(b:read(5), 'first')
  test.equal(#b:read(megabyte), megabyte)
  test.equal({ writer:join() }, { true, megabyte })
end)

test.case('shutdown and close send what was gathered first', function()
  local a, b = loopback.pair()
  a:setvbuf('auto')
  a:write('before the end')
  a:shutdown('W')
  test.equal(b:read(), 'before the end')
  a, b = loopback.pair()
  a:setvbuf('auto')
  a:write('before the end')
  test.equal({ a:close() }, { true })
  test.equal(b:read(), 'before the end')
end)

test.case('close waits until a slow reader has taken what was gathered', function()
  local a, b, total = loopback.full_pair()
  a:setvbuf('auto')
  a:write('the end')
  local closer = fiber.spawn(a.close, a)
  test.settle()
  test.equal(closer:status(), 'suspended')
  test.match(b:read(), ('^x*the end$'))
  test.equal({ closer:join() }, { true, true })
  return total
end)

test.case('leaving the scope of a <close> variable sends it too', function()
  local a, b = loopback.full_pair()
  local f = fiber.spawn(function()
    local s <close> = a
    s:setvbuf('auto')
    s:write('the end')
  end)
  test.match(b:read(), ('^x*the end$'))
  test.equal(f:join(), true)
end)

test.case('a cancelled fiber closes at once', function()
  local a, b = loopback.full_pair()
  a:setvbuf('auto')
  a:write('lost')
  local f = fiber.spawn(function()
    pcall(fiber.sleep, 100)
    return a:close()
  end)
  fiber.yield()
  f:cancel()
  test.equal({ f:join() }, { true, true })
  test.raises('closed socket', a.fd, a)
  test.match(b:read(), '^x+$')
end)

test.case('a fiber that is cancelled while it closes has closed', function()
  local a, b = loopback.full_pair()
  a:setvbuf('auto')
  a:write('lost')
  local f = fiber.spawn(a.close, a)
  fiber.yield()
  f:cancel()
  local ok, err = f:join()
  test.ok(ok or fiber.is_cancelled(err))
  test.raises('closed socket', a.fd, a)
  return b
end)

test.case('an error that the background meets shows in the next write or flush', function()
  local a, b = loopback.full_pair()
  a:setvbuf('auto')
  a:write('gathered')
  fiber.yield()
  b:linger(true, 0)
  b:close()
  fiber.sleep(0.005)
  local done, _, code = a:flush(1)
  test.equal(done, false)
  test.ok(code == errno.ECONNRESET or code == errno.EPIPE)
end)

test.case('reading sends what was gathered, as an answer may depend on it', function()
  local a, b = loopback.pair()
  local server = fiber.spawn(function()
    for line in b:lines() do b:write(line:upper() .. '\n') end
  end)
  a:setvbuf('auto')
  for i = 1, 10 do
    a:write('question ')
    a:write(i .. '\n')
    test.equal(a:readline('\n', 5), ('QUESTION %d\n'):format(i))
  end
  a:close()
  server:join()
end)

test.case('what was gathered is sent before the program ends', function()
  local result = child.run [[
    local socket = require 'socket'
    local out = socket.from_fd(1)
    out:setvbuf('auto')
    out:write('one ')
    out:write('two')
  ]]
  test.equal({ result.out, result.code }, { 'one two', 0 })
  result = child.run [[
    local out = require 'socket'.from_fd(1)
    out:setvbuf('auto')
    out:write('before exit')
    os.exit(3)
  ]]
  test.equal({ result.out, result.code }, { 'before exit', 3 })
end)

test.case('datagrams are never joined', function()
  local a, b = socket.socketpair('AF_UNIX', 'SOCK_DGRAM', 0)
  test.ok(a:setvbuf('auto') ~= nil)
  a:write('one')
  a:write('two')
  fiber.yield()
  test.equal({ b:recv(), b:recv(nil, nil, 0) }, { 'one', 'two' })
end)

test.finish()
