-- socket_patience_test.lua: buffered reads that cannot be answered at once: timeouts, cancellation,
-- closing, failing. Whatever ends a read, no byte is lost.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'

--- Every way to read that must wait for more than `abc`.
local reads = {
  read_all = function(s, to) return s:read(nil, to) end,
  read_size = function(s, to) return s:read(10, to) end,
  read_delimiter = function(s, to) return s:read('\n', to) end,
  read_table = function(s, to) return s:read({ chunk = 10, delimiter = { '\n', ';' } }, to) end,
  readline = function(s, to) return s:readline('\n', to) end,
  readline_full = function(s, to) return s:readline(10, { '\n' }, to) end,
  peek = function(s, to) return s:peek(10, to) end,
}

local function for_reads(sentence, body)
  for name, read in pairs(reads) do
    test.case(('%s (%s)'):format(sentence, name), function()
      local a, b = loopback.pair()
      body(read, a, b)
      return b
    end)
  end
end

local function check_cancelled(f)
  local ok, err = f:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
end

for_reads('a read that times out keeps what has arrived', function(read, a, b)
  b:write('abc')
  test.fails('ETIMEDOUT', test.takes(0.009, 5, read, a, 0.01))
  test.equal({ a:errno(), errno(), tostring(a.rbuf) }, { errno.ETIMEDOUT, errno.ETIMEDOUT, 'abc' })
  b:write('def')
  test.equal(a:read(6), 'abcdef')
end)

for_reads('with timeout 0 or less it looks into the kernel once', function(read, a, b)
  for _, timeout in ipairs { 0, -1, -math.huge } do
    test.fails('ETIMEDOUT', read(a, timeout))
  end
  b:write('0123456789\n')
  a:readable()
  if read ~= reads.read_all then test.match(read(a, 0), '^0123456789') end
end)

for_reads('an endless timeout waits for the data', function(read, a, b)
  for _, timeout in ipairs { math.huge, 1e300 } do
    local reader = fiber.spawn(read, a, timeout)
    fiber.yield()
    test.equal(reader:status(), 'suspended')
    b:write('0123456789\n')
    if read == reads.read_all then b:close() end
    test.match(select(2, reader:join()), '^0123456789')
    if read == reads.read_all then break end
    a:read(#a.rbuf)
  end
end)

for_reads('a timeout that is NaN or no number raises, and nothing is lost', function(read, a, b)
  b:write('abc')
  test.raises('NaN', read, a, 0 / 0)
  test.raises('', read, a, {})
  test.equal(a:read(3), 'abc')
end)

for_reads('a trickle of data does not extend the deadline', function(read, a, b)
  local trickle = fiber.new(function()
    while true do b:write('.'); fiber.sleep(0.003) end
  end)
  local results = table.pack(test.takes(0, 5, read, a, 0.012))
  if results[1] == nil then test.fails('ETIMEDOUT', table.unpack(results)) end
  trickle:cancel()
end)

for_reads('a cancelled read keeps what has arrived, for another fiber', function(read, a, b)
  b:write('abc')
  local reader = fiber.spawn(read, a)
  test.eventually(function() return #a.rbuf == 3 end)
  reader:cancel()
  check_cancelled(reader)
  b:write('def')
  test.equal(a:read(6), 'abcdef')
end)

for_reads('a cancelled fiber reads nothing, not even what is buffered', function(read, a, b)
  b:write('x\n0123456789\n')
  a:readline()
  local reader = fiber.spawn(read, a)
  reader:cancel()
  check_cancelled(reader)
  test.equal(a:read(11), '0123456789\n')
end)

for_reads('closing from another fiber raises in the reader', function(read, a, b)
  b:write('abc')
  local reader = fiber.spawn(read, a)
  test.eventually(function() return #a.rbuf == 3 end)
  a:close()
  local ok, message = reader:join()
  test.equal(ok, false)
  test.match(message, 'attempt to use closed socket')
end)

for_reads('a second reader gets EBUSY, and the first goes on', function(read, a, b)
  local first = fiber.spawn(read, a)
  fiber.yield()
  for _, second in pairs(reads) do test.fails('EBUSY', second(a)) end
  test.fails('EBUSY', a:read_any())
  test.equal({ a:errno(), a:error() }, { errno.EBUSY, 'Device or resource busy' })
  b:write('0123456789\n')
  b:close()
  test.match(select(2, first:join()), '^0123456789')
end)

for_reads('a reader and a writer do not disturb each other', function(read, a, b)
  local reader = fiber.spawn(read, a)
  fiber.yield()
  test.equal(a:write('out'), 3)
  test.equal(b:read(3), 'out')
  b:write('0123456789\n')
  b:close()
  test.match(select(2, reader:join()), '^0123456789')
end)

for_reads('at the end of the stream the rest comes without a delimiter', function(read, a, b)
  b:write('abc')
  b:close()
  test.equal({ read(a), a:errno() }, { 'abc', 0 })
  if read ~= reads.peek then test.equal({ read(a), read(a) }, { '', '' }) end
end)

for_reads('a connection that is reset says so, and what was received before stays',
  function(read, a, b)
  b:write('abc')
  test.fails('ETIMEDOUT', a:read(10, 0.005))
  a:write('never read')
  b:readable()
  b:linger(true, 0)
  b:close()
  test.fails('ECONNRESET', read(a))
  test.equal(tostring(a.rbuf), 'abc')
end)

for_reads('data that is there needs no switch', function(read, a, b)
  b:write('0123456789\n')
  if read == reads.read_all then return end
  a:readable()
  local before = fiber.self():csw()
  test.match(read(a), '^0123456789')
  test.equal(fiber.self():csw(), before)
end)

test.case('a search that was given up goes on where it stopped', function()
  local a, b = loopback.pair()
  for _, piece in ipairs { 'a', 'b\r', '\n', '\r' } do
    b:write(piece)
    test.fails('ETIMEDOUT', a:read('\r\n\r\n', 0.002))
  end
  b:write('\nrest')
  test.equal(a:read('\r\n\r\n', 1), 'ab\r\n\r\n')
end)

test.case('other delimiters after a search that was given up find what was already there', function()
  local a, b = loopback.pair()
  b:write('ab;cd')
  test.fails('ETIMEDOUT', a:read('\n', 0.005))
  test.equal(a:read(';', 0), 'ab;')
  test.fails('ETIMEDOUT', a:read({ delimiter = { 'x', 'y' } }, 0.002))
  a:unread('y')
  test.equal(a:read({ delimiter = { 'x', 'y' } }, 0), 'y')
  return b
end)

test.case('delimiters with zeros are not mixed up with several', function()
  local a, b = loopback.pair()
  b:write('1b2')
  test.fails('ETIMEDOUT', a:read('a\0b', 0.005))
  test.equal(a:read({ delimiter = { 'a', 'b' } }, 0), '1b')
  return b
end)

test.case('data that another fiber puts back while one reads is refused or found', function()
  local a, b = loopback.pair()
  b:write('abc')
  local reader = fiber.spawn(a.read, a, '\n', 1)
  test.eventually(function() return #a.rbuf == 3 end)
  local put, _, code = a:unread('x\n')
  b:write('\n')
  local _, line = reader:join()
  if put then
    test.equal({ line, a:read('\n') }, { 'x\n', 'abc\n' })
  else
    test.equal({ code, line }, { errno.EBUSY, 'abc\n' })
  end
end)

test.case('SO_RCVTIMEO is the timeout of a read that names none', function()
  local a, b = loopback.pair()
  a:setsockopt('SOL_SOCKET', 'SO_RCVTIMEO', 0.005)
  test.equal(a:getsockopt('SOL_SOCKET', 'SO_RCVTIMEO'), 0.005)
  for _, name in ipairs { 'read', 'readline', 'read_any', 'peek', 'recv', 'recvfrom', 'sysread' } do
    test.fails('ETIMEDOUT', test.takes(0.004, 5, a[name], a))
  end
  local reader = fiber.spawn(a.read, a, 1, math.huge)
  fiber.sleep(0.01)
  test.equal(reader:status(), 'suspended')
  b:write('x')
  test.equal({ reader:join() }, { true, 'x' })
  a:setsockopt('SOL_SOCKET', 'SO_RCVTIMEO', 0)
  test.equal(a:getsockopt('SOL_SOCKET', 'SO_RCVTIMEO'), 0)
  reader = fiber.spawn(a.read, a, 1)
  fiber.sleep(0.01)
  test.equal(reader:status(), 'suspended')
  b:write('y')
  test.equal({ reader:join() }, { true, 'y' })
end)

local allocation = 'a failed allocation loses nothing'
if child.sanitized() then
  test.skip(allocation, 'AddressSanitizer needs memory without limits')
else
  test.case(allocation, function()
  local result = child.shell([[ulimit -v 260000; exec "$0" -e '
    local socket, fiber = require "socket", require "fiber"
    local a, b = socket.socketpair("AF_UNIX", "SOCK_STREAM", 0)
    local size = 120 << 20
    fiber.new(function()
      local piece = ("x"):rep(1 << 20)
      for _ = 1, 120 do b:write(piece) end
      b:write("the end")
      b:close()
    end)
    local ok, message = pcall(a.read, a, size)
    print(ok, #message < 100 and message)
    local total = 0
    while total < size do total = total + #a:read(1 << 20) end
    print(total == size, a:read())
  ']])
  test.equal(result.out, 'false\tnot enough memory\ntrue\tthe end\n')
  end)
end

test.finish()
