-- socket_read_test.lua: buffered reading: read and readline, their arguments and results.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
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

--- The results of calling the method with the arguments n times.
local function times(n, s, method, ...)
  local results = {}
  for i = 1, n do results[i] = s[method](s, ...) end
  return results
end

-- -- read -----------------------------------------------------------------------------------------

test.case('read() reads to the end of the stream', function()
  test.equal(stream('one ', 'two ', 'three'):read(), 'one two three')
  test.equal(stream():read(), '')
  test.equal(stream('x'):read(nil), 'x')
  test.equal(stream('x'):read({}), 'x')
end)

test.case('read(n) reads exactly n bytes', function()
  local s = stream('ab', 'cdef', 'g')
  test.equal(times(4, s, 'read', 3), { 'abc', 'def', 'g', '' })
  test.equal(s:errno(), 0)
  test.equal(stream('abc'):read(3.0), 'abc')
  test.equal(stream('abc'):read(math.maxinteger), 'abc')
end)

test.case('read(0) is the empty string at once', function()
  local s = stream('abc')
  test.equal({ s:read(0), s:read(0, 0) }, { '', '' })
  test.equal(s:read(), 'abc')
end)

test.case('read(delimiter) reads up to and including it', function()
  local s = stream('one\ntw', 'o\n\nthree')
  test.equal(times(5, s, 'read', '\n'), { 'one\n', 'two\n', '\n', 'three', '' })
end)

test.case('a delimiter is plain bytes, of any length, zeros among them', function()
  test.equal(times(2, stream('a.b%d+c%d+'), 'read', '%d+'), { 'a.b%d+', 'c%d+' })
  test.equal(times(2, stream('a\0b\0\0c'), 'read', '\0\0'), { 'a\0b\0\0', 'c' })
  local long = ('='):rep(1000)
  test.equal(times(2, stream('a' .. long .. 'b'), 'read', long), { 'a' .. long, 'b' })
  test.equal(times(2, stream('aÿþb'), 'read', 'ÿþ'), { 'aÿþ', 'b' })
end)

test.case('a delimiter may be split across arrivals', function()
  test.equal(times(3, stream('head\r', '\n', '\r', '\nbo', 'dy'), 'read', '\r\n\r\n'),
    { 'head\r\n\r\n', 'body', '' })
  test.equal(times(2, stream('aab', 'aac', 'aabaac'), 'read', 'aabaac'), { 'aabaac', 'aabaac' })
end)

test.case('of several delimiters the one that ends first counts', function()
  local s = stream('a\r\n\r\nb\n\nc\r\n\r\n')
  test.equal(times(3, s, 'read', { delimiter = { '\r\n\r\n', '\n\n' } }),
    { 'a\r\n\r\n', 'b\n\n', 'c\r\n\r\n' })
  test.equal(times(2, stream('xabcabc'), 'read', { delimiter = { 'abc', 'ab', 'bca' } }),
    { 'xab', 'cab' })
  test.equal(stream('xabc'):read({ delimiter = { 'xabc', 'bc' } }), 'xabc')
end)

test.case('the table forms: chunk or size, delimiter or line', function()
  for _, names in ipairs { { 'chunk', 'delimiter' }, { 'size', 'line' } } do
    local s = stream('abcdef;gh')
    test.equal(s:read({ [names[1]] = 2 }), 'ab')
    test.equal(s:read({ [names[2]] = ';' }), 'cdef;')
    test.equal(s:read({ [names[1]] = 10, [names[2]] = { ';', '\n' } }), 'gh')
  end
end)

test.case('a limit and a delimiter together: whatever comes first', function()
  local s = stream('abcdefgh\nij\nk')
  test.equal(times(5, s, 'read', { chunk = 4, delimiter = '\n' }),
    { 'abcd', 'efgh', '\n', 'ij\n', 'k' })
  test.equal(times(2, stream('abcd--'), 'read', { chunk = 5, delimiter = '--' }), { 'abcd-', '-' })
  test.equal(stream('x\n'):read({ chunk = 0, delimiter = '\n' }), '')
end)

test.case('a table may make its fields on demand, and wait meanwhile', function()
  local fields = { delimiter = ';' }
  local function index(_, name) fiber.yield(); return fields[name] end
  local options = setmetatable({}, { __index = index })
  test.equal(stream('a;b'):read(options), 'a;')
end)

test.case('a table of delimiters may change while a fiber waits', function()
  local a, b = loopback.unix_pair()
  local delimiters = { ';', ',' }
  local reader = fiber.spawn(a.read, a, { delimiter = delimiters })
  fiber.yield()
  delimiters[1], delimiters[2] = nil, nil
  collectgarbage()
  b:write('x;')
  test.equal({ reader:join() }, { true, 'x;' })
end)

test.case('a thousand delimiters are the most there can be', function()
  local many = {}
  for i = 1, 1000 do many[i] = ('<%04d>'):format(i) end
  test.equal(times(3, stream('a<0001>b<', '1000>c'), 'read', { delimiter = many }),
    { 'a<0001>', 'b<1000>', 'c' })
  many[1001] = ';'
  test.raises('too many delimiters', stream('a;').read, stream('a;'), { delimiter = many })
end)

test.case('anything else raises the usage', function()
  local s = stream('abc')
  local usage = '^Usage: s:read%(delimiter|chunk|{delimiter = x, chunk = x}, timeout%)'
  local function check(pattern, ...) test.raises(pattern, s.read, s, ...) end
  for _, value in ipairs { true, print, coroutine.create(print), s } do
    check('Usage: s:read', value)
  end
  test.match((tostring(select(2, pcall(s.read, s, true))):gsub('^.-: Usage', 'Usage')), usage)
  check('Usage: s:read', '')
  for _, delimiter in ipairs { '', 5, true, {}, { '' }, { 'x', '' }, { 1 }, { {} } } do
    check('Usage: s:read', { delimiter = delimiter })
  end
  for _, limit in ipairs { -1, math.mininteger } do
    check('negative', limit)
    check('negative', { chunk = limit })
  end
  for _, limit in ipairs { 1.5, 0 / 0, math.huge, 1e300 } do check('integer', limit) end
  check("bad field 'chunk' %(integer expected, got table%)", { chunk = {} })
  check("bad field 'size' %(integer expected, got number%)", { size = 1.5 })
  local many = {}
  for i = 1, 5000 do many[i] = tostring(i) end
  check('too many delimiters', { delimiter = many })
  test.equal(s:read(), 'abc')
end)

-- -- readline -------------------------------------------------------------------------------------

test.case('readline reads a line with its end', function()
  test.equal(times(4, stream('one\ntwo\r\n', 'three'), 'readline'),
    { 'one\n', 'two\r\n', 'three', '' })
end)

test.case('readline takes any subset of limit, ends and timeout in this order', function()
  local function line(...) return stream('ab;cd\nef'):readline(...) end
  test.equal({ line(), line(1), line(';'), line({ 'd', ';' }), line(10, ';'), line(2, { ';' }) },
    { 'ab;cd\n', 'a', 'ab;', 'ab;', 'ab;', 'ab' })
  test.equal({ line(';', 5), line(10, 5), line(10, ';', 5), line(nil, ';', 5), line(nil, nil, 5),
    line(10, nil, 5) },
    { 'ab;', 'ab;cd\n', 'ab;', 'ab;', 'ab;cd\n', 'ab;cd\n' })
end)

test.case('readline refuses anything else', function()
  local s = stream('abc')
  for _, values in ipairs { { true }, { print }, { 5, true }, { 5, '\n', 'x' }, { '' }, { {} },
      { '\n', '\n' }, { 5, ';', {} } } do
    test.raises('Usage: s:readline', s.readline, s, table.unpack(values))
  end
  test.raises('negative', s.readline, s, -1)
end)

test.case('a finalizer may close the socket whose bytes are just becoming a string', function()
  local line = ('x'):rep(20000) .. '\n'
  local lines = line:rep(500)  -- made before, so that reading makes nearly all of the garbage
  local closed_while_reading = 0
  for _ = 1, 50 do
    local a, b = loopback.pair()
    local closed = false
    setmetatable({}, { __gc = function() closed = a:close() end })
    local writer = fiber.create(function() pcall(b.write, b, lines) end)
    for _ = 1, 500 do
      local ok, got = pcall(a.readline, a)
      if ok then test.ok(got == line, 'the line differs') else test.match(got, 'closed socket') end
      if closed then break end
    end
    if closed then closed_while_reading = closed_while_reading + 1 end
    if writer:status() ~= 'dead' then writer:cancel() end
    b:close()
  end
  test.ok(closed_while_reading > 0)
end)

test.finish()
