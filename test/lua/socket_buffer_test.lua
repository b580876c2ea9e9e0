-- socket_buffer_test.lua: reading on top of the buffer: lines, read_any, peek, unread and
-- setmaxline.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'

--- A stream that ends after these pieces, each of which arrives by itself. Returns the reading end.
local function stream(...)
  local a, b = loopback.unix_pair()
  local pieces = { ... }
  fiber.new(function()
    for _, piece in ipairs(pieces) do
      b:write(piece)
      fiber.sleep(0.0005)
    end
    b:close()
  end)
  return a
end

-- -- lines ----------------------------------------------------------------------------------------

test.case('lines goes over all lines without their ends', function()
  local function all(s, ...)
    local lines = {}
    for line in s:lines(...) do lines[#lines + 1] = line end
    return lines
  end
  test.equal(all(stream('one\n\ntw', 'o\nlast')), { 'one', '', 'two', 'last' })
  test.equal(all(stream('one\r\ntwo\n\r\n'), '\r\n'), { 'one', 'two\n' })
  test.equal(all(stream()), {})
  test.equal(all(stream('\n')), { '' })
end)

test.case('lines refuses an end that is no text, and closed sockets', function()
  local s = stream('x\n')
  for _, eol in ipairs { '', 5, {}, true } do test.raises('Usage: s:lines', s.lines, s, eol) end
  local next_line = s:lines()
  s:close()
  test.raises('attempt to use closed socket', next_line)
end)

test.case('a failure inside lines raises its message', function()
  local a, _b = loopback.unix_pair()
  a:setsockopt('SOL_SOCKET', 'SO_RCVTIMEO', 0.005)
  test.raises('Connection timed out', a:lines())
  test.equal(a:errno(), errno.ETIMEDOUT)
  return _b
end)

-- -- read_any, peek, unread -----------------------------------------------------------------------

test.case('read_any takes what is buffered, else what arrives first', function()
  local a, b = loopback.unix_pair()
  b:write('one\ntwo')
  a:readline()
  b:write('three')
  test.equal({ a:read_any(), a:read_any() }, { 'two', 'three' })
  b:write('four')
  test.equal({ a:read_any(2), a:read_any(100), a:read_any(0) }, { 'fo', 'ur', '' })
  b:close()
  test.equal({ a:read_any(), a:read_any(5) }, { '', '' })
end)

test.case('read_any waits, and gives up after its timeout', function()
  local a, b = loopback.unix_pair()
  test.fails('ETIMEDOUT', test.takes(0.004, 5, a.read_any, a, nil, 0.005))
  test.fails('ETIMEDOUT', a:read_any(5, 0))
  local reader = fiber.spawn(a.read_any, a)
  fiber.yield()
  b:write('x')
  test.equal({ reader:join() }, { true, 'x' })
  test.raises('negative', a.read_any, a, -1)
  test.raises('number expected', a.read_any, a, 'x')
end)

test.case('peek shows what read would give, and consumes nothing', function()
  local s = stream('abc', 'def\n', 'rest')
  test.equal({ s:peek(2), s:peek(5), s:peek('\n'), s:peek({ chunk = 3 }), s:peek(0) },
    { 'ab', 'abcde', 'abcdef\n', 'abc', '' })
  test.equal(#s.rbuf >= 7, true)
  test.equal({ s:read('\n'), s:peek(), s:read() }, { 'abcdef\n', 'rest', 'rest' })
  test.equal({ s:peek(5), s:peek() }, { '', '' })
end)

test.case('peek gives up after its timeout and takes what read takes', function()
  local a, b = loopback.unix_pair()
  b:write('abc')
  test.fails('ETIMEDOUT', a:peek(5, 0.002))
  test.equal(a:peek(3, 0), 'abc')
  test.raises('Usage', a.peek, a, true)
  test.raises('negative', a.peek, a, -1)
end)

test.case('unread puts data back in front', function()
  local s = stream('world')
  test.equal(s:read(1), 'w')
  test.equal({ s:unread('w') }, { true })
  test.equal({ s:unread('hello '), s:unread('') }, { true, true })
  test.equal({ tostring(s.rbuf):sub(1, 6), s:read() }, { 'hello ', 'hello world' })
  s:unread(('x'):rep(100000))
  s:unread('\n')
  test.equal({ s:read('\n'), #s:read() }, { '\n', 100000 })
  test.raises('string expected', s.unread, s)
  test.raises('string expected', s.unread, s, {})
end)

test.case('unread works at the end of the stream and before any data', function()
  local s = stream()
  test.equal(s:read(), '')
  s:unread('again')
  test.equal({ s:read(), s:read() }, { 'again', '' })
end)

-- -- setmaxline -----------------------------------------------------------------------------------

test.case('a search that has passed the longest line fails with EMSGSIZE and loses nothing', function()
  local s = stream(('x'):rep(100) .. '\nnext')
  test.equal(select('#', s:setmaxline(50)), 0)
  test.fails('EMSGSIZE', s:read('\n'))
  test.equal(s:errno(), errno.EMSGSIZE)
  test.fails('EMSGSIZE', s:readline())
  test.equal(s:read(60), ('x'):rep(60))
  test.equal(s:readline(), ('x'):rep(40) .. '\n')
end)

test.case('a line of exactly the longest length still fits', function()
  local s = stream(('x'):rep(49) .. '\n' .. ('y'):rep(50) .. '\n')
  s:setmaxline(50)
  test.equal(s:readline(), ('x'):rep(49) .. '\n')
  test.fails('EMSGSIZE', s:readline())
  s:setmaxline(51)
  test.equal(s:readline(), ('y'):rep(50) .. '\n')
end)

test.case('the longest line is a megabyte unless told otherwise', function()
  local s = stream(('x'):rep((1 << 20) - 1) .. '\n' .. ('y'):rep(1 << 20) .. '\n')
  test.equal(#s:readline(), 1 << 20)
  test.fails('EMSGSIZE', s:readline())
  s:setmaxline(math.maxinteger)
  test.equal(#s:readline(), (1 << 20) + 1)
end)

test.case('reads by size know no longest line, and a limit below it counts first', function()
  local s = stream(('x'):rep(200))
  s:setmaxline(50)
  test.equal(#s:read(100), 100)
  test.equal(#s:read({ chunk = 30, delimiter = '\n' }), 30)
  for _, size in ipairs { 0, -1, math.mininteger } do
    test.raises('positive', s.setmaxline, s, size)
  end
  test.raises('number expected', s.setmaxline, s)
end)

test.finish()
