-- netnet_ffi_test.lua: the byte buffers of NetNet's scripts.
package.path = (arg[0]:match('^.*/') or './') .. '../lua/?.lua;' .. package.path
local test = require 'test'
local ffi = require 'coir.compat.netnet.ffi'

test.case('new arrays are filled with zeros, and indices begin at 0', function()
  local b = ffi.new('uint8_t[?]', 4)
  test.equal({ b[0], b[1], b[2], b[3], #b }, { 0, 0, 0, 0, 4 })
  test.equal(#ffi.new('char[256]'), 256)
  test.equal(ffi.new('uint32_t[1]', 7)[0], 7)
  test.equal(#ffi.new('uint8_t[0]'), 0)
  test.equal(tostring(b), 'buffer: 4 elements of 1 bytes')
end)

test.case('first values: a single one fills, several and tables are set in order, strings are bytes', function()
  local b = ffi.new('int[3]', 5)
  test.equal({ b[0], b[1], b[2] }, { 5, 5, 5 })
  b = ffi.new('int[?]', 3, 1, 2)
  test.equal({ b[0], b[1], b[2] }, { 1, 2, 0 })
  b = ffi.new('uint16_t[3]', { 8, 9 })
  test.equal({ b[0], b[1], b[2] }, { 8, 9, 0 })
  test.equal(ffi.string(ffi.new('char[8]', 'hello')), 'hello')
  test.equal(ffi.string(ffi.new('char[3]', 'hello'), 3), 'hel')
end)

test.case('every index is checked', function()
  local b = ffi.new('uint8_t[4]')
  for _, index in ipairs { -1, 4, 1 << 40, 0.5, 'x', math.huge } do
    test.raises('buffer', function() return b[index] end)
    test.raises('buffer', function() b[index] = 1 end)
  end
  test.raises('index 4 is not in the buffer of 4 elements', function() return b[4] end)
  b[3.0] = 9
  test.equal(b[3], 9)
end)

test.case('integers wrap as in C, and nothing but integers is stored', function()
  for _, case in ipairs {
    { 'uint8_t', 300, 44 }, { 'uint8_t', -1, 255 }, { 'int8_t', 200, -56 }, { 'char', 255, -1 },
    { 'int16_t', 40000, -25536 }, { 'uint16_t', -1, 65535 }, { 'int', 1 << 31, -(1 << 31) },
    { 'uint32_t', -1, 0xffffffff }, { 'int64_t', math.mininteger, math.mininteger },
    { 'uint8_t', 3.9, 3 }, { 'int', -3.9, -3 },
  } do
    local b = ffi.new(case[1] .. '[1]')
    b[0] = case[2]
    test.equal(b[0], case[3])
  end
  local b = ffi.new('int[1]')
  for _, wrong in ipairs { 'x', true, {}, math.huge, 0 / 0 } do
    test.raises('holds integers', function() b[0] = wrong end)
  end
  test.raises('holds integers', function() b[0] = nil end)
end)

test.case('string takes n bytes, or all before a zero byte', function()
  local b = ffi.new('uint8_t[?]', 8)
  ffi.copy(b, 'abc')
  test.equal(ffi.string(b), 'abc')
  test.equal(ffi.string(b, 5), 'abc\0\0')
  test.equal(ffi.string(b, 0), '')
  test.equal(ffi.string(b, 8), 'abc' .. ('\0'):rep(5))
  ffi.copy(b, 'abcdefgh', 8)
  test.equal(ffi.string(b), 'abcdefgh')
  test.raises('9 bytes, but the buffer has only 8', ffi.string, b, 9)
  test.raises('length', ffi.string, b, -1)
  test.raises('a buffer was expected', ffi.string, 5)
  test.equal(ffi.string('text', 2), 'te')
  test.raises('only 4', ffi.string, 'text', 5)
end)

test.case('bytes that were received and bytes that were set are the same memory', function()
  local b = ffi.new('uint8_t[6]')
  ffi.copy(b, 'abcd', 4)
  b[1] = 0x42
  test.equal(ffi.string(b, 6), 'aBcd\0\0')
  ffi.copy(b, 'xy', 2)
  test.equal(ffi.string(b, 6), 'xycd\0\0')
  b[5] = 0x46
  ffi.copy(b + 3, 'Z', 1)
  test.equal(ffi.string(b, 6), 'xycZ\0F')
  test.equal({ b[0], b[3], b[5] }, { 120, 90, 70 })
end)

test.case('copy and fill stay inside', function()
  local a, b = ffi.new('uint8_t[4]'), ffi.new('uint8_t[8]')
  ffi.fill(b, 8, 0x61)
  ffi.copy(a, b, 4)
  test.equal(ffi.string(a, 4), 'aaaa')
  ffi.fill(b, 2)
  test.equal(ffi.string(b, 8), '\0\0aaaaaa')
  test.raises('only 4', ffi.copy, a, b, 5)
  test.raises('only 4', ffi.copy, a, b + 4, 5)
  test.raises('only 4', ffi.fill, a, 5)
  test.raises('only 4', ffi.copy, a, 'abcd') -- the zero byte does not fit
  test.raises('only 3', ffi.copy, a, 'ab', 9)
  test.raises('a buffer', ffi.copy, 'a', 'b')
  test.raises('a buffer or a string', ffi.copy, a, 5)
end)

test.case('a pointer into a buffer keeps to its bounds', function()
  local b = ffi.new('uint8_t[8]')
  local p = b + 5
  p[0] = 1
  test.equal({ b[5], #p, #(b + 8), #(2 + p) }, { 1, 3, 0, 1 })
  test.raises('index 3', function() return p[3] end)
  test.raises('index', function() return b + 9 end)
  test.raises('index', function() return p + -1 end)
  local words = ffi.new('uint32_t[3]')
  words[1] = 6
  test.equal((words + 1)[0], 6)
end)

test.case('cast shows the same memory', function()
  local b = ffi.new('uint8_t[4]', 1)
  local p = ffi.cast('char *', b)
  p[0] = -1
  test.equal(b[0], 255)
  test.ok(rawequal(ffi.cast('uint8_t *', b), b))
  test.equal(ffi.string(ffi.cast('const uint8_t *', 'abc'), 3), 'abc')
  test.equal(#ffi.cast('uint32_t *', b), 1)
  test.raises('a buffer or a string', ffi.cast, 'char *', 5)
end)

test.case('sizeof knows types and buffers', function()
  test.equal(ffi.sizeof('uint32_t'), 4)
  test.equal(ffi.sizeof('char[256]'), 256)
  test.equal(ffi.sizeof('uint16_t[3]'), 6)
  test.equal(ffi.sizeof(ffi.new('uint32_t[2]')), 8)
  test.raises('unknown type', ffi.sizeof, 'struct sockaddr')
  test.raises('has no size', ffi.sizeof, 'char[?]')
end)

test.case('what is no declaration of an array raises', function()
  test.raises('unknown type "widget%[4%]"', ffi.new, 'widget[4]')
  test.raises('unknown type', ffi.new, nil)
  test.raises('is no array', ffi.new, 'uint8_t')
  test.raises('is no array', ffi.new, 'uint8_t[x]')
  test.raises('is no array', ffi.new, 'uint8_t[?]')
  test.raises('is no array', ffi.new, 'uint8_t[?]', -1)
end)

test.finish()
