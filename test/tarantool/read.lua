-- read.lua: the buffered `read` in all its forms: by size, by delimiter, by both, with timeouts, at
-- the end of the stream, after cancellation and close, and beside calls that bypass its buffer.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

-- A socket at which `data` has arrived, and the other end of its connection.
local function source(data)
  local reader, writer = loopback.pair()
  writer:write(data)
  if data ~= '' then
    reader:readable(5)
    while #reader:recv(#data, 'MSG_PEEK') < #data do fiber.sleep(0.001) end
  end
  return reader, writer
end

-- A socket at which `data` has arrived, and after it the end of the stream.
local function ending(data)
  local reader, writer = source(data)
  writer:close()
  return reader
end

t.case('by size', function()
  local s, writer = source('abcdefgh')
  t.check('read a size', s:read(3), s:errno())
  t.check('read a size in chunk', s:read({ chunk = 2 }))
  t.check('read a size in size', s:read({ size = 2 }))
  t.check('read the rest', s:read(1, 0))
  t.failed('read, nothing there', s, s:read(1, 0))
  t.check('read nothing', s:read(0), s:errno())
  t.check('read nothing in chunk', s:read({ chunk = 0 }))
  t.check('read nothing, delimiter', s:read({ chunk = 0, delimiter = 'x' }))
  local size = 1000000
  local writing = fiber.create(function() writer:write(string.rep('z', size)) end)
  local data = s:read(size)
  t.check('read a large size', #data == size, data == string.rep('z', size))
  t.check('the writer has ended', writing:status())
end)

t.case('by delimiter', function()
  local s = source('one\ntwo\r\nthree\0four--end;five')
  t.check('a delimiter', s:read('\n'), s:errno())
  t.check('a delimiter of two bytes', s:read('\r\n'))
  t.check('a delimiter with a zero byte', s:read('\0'))
  t.check('a delimiter in a table', s:read({ delimiter = '--' }))
  t.check('a delimiter in line', s:read({ line = ';' }))
  t.failed('a delimiter that does not come', s, s:read('\n', 0.01))
  t.check('the bytes stay', s:read(4))

  s = source('a.b%c[d]e(f)g*h+i^j$k')
  for _, mark in ipairs { '.', '%', '[d]', '(', '*', '+', '^', '$' } do
    t.check('delimiters are no patterns ' .. mark, s:read(mark, 0))
  end

  s = source('x\n\ny\n')
  t.check('up to the delimiter', s:read('\n'))
  t.check('the delimiter alone', s:read('\n'))
  t.check('up to the next', s:read('\n'))

  s = source('\1\2\255\254z')
  t.check('a delimiter of any bytes', s:read('\255\254'))
end)

t.case('by several delimiters', function()
  local s = source('head\n\nmore\r\n\r\nrest\n\n')
  local ends = { '\r\n\r\n', '\n\n' }
  t.check('the second of two', s:read({ delimiter = ends }))
  t.check('the first of two', s:read({ delimiter = ends }))
  t.check('two delimiters in line', s:read({ line = ends }))

  s = source('abcdefghijkl')
  t.check('the one that ends first', s:read({ delimiter = { 'def', 'cd' } }))
  t.check('the one that ends first, longer', s:read({ delimiter = { 'h', 'efg' } }))
  t.check('both end together', s:read({ delimiter = { 'ij', 'j' } }))
  t.failed('none of them', s, s:read({ delimiter = { 'x', 'y' } }, 0))
end)

t.case('by size and delimiter', function()
  local s = source('ab\ncdefgh\nij\n')
  t.check('the delimiter comes first', s:read({ chunk = 10, delimiter = '\n' }))
  t.check('the size comes first', s:read({ chunk = 3, delimiter = '\n' }))
  t.check('the rest of that line', s:read({ size = 10, line = '\n' }))
  t.check('the delimiter just inside', s:read({ chunk = 3, delimiter = '\n' }))
  t.failed('neither', s, s:read({ chunk = 10, delimiter = '\n' }, 0))

  s = source('abcd\r\n')
  t.check('a delimiter that ends outside', s:read({ chunk = 5, delimiter = '\r\n' }))
  t.check('what was left of it', s:read(1))
end)

t.case('arrival in pieces', function()
  local s, writer = source('')
  local got
  fiber.create(function() got = s:read('\r\n') end)
  writer:write('first ')
  fiber.sleep(0.005)
  writer:write('second\r')
  fiber.sleep(0.005)
  t.check('not yet', got)
  writer:write('\nthird')
  while got == nil do fiber.sleep(0.001) end
  t.check('a delimiter in two pieces', got)
  t.check('what came after it', s:read(5))

  got = nil
  fiber.create(function() got = s:read(4) end)
  writer:write('ab')
  fiber.sleep(0.005)
  t.check('half of a size', got)
  writer:write('cdef')
  while got == nil do fiber.sleep(0.001) end
  t.check('a size in two pieces', got)
  t.check('one byte too many stays', s:read(2))
end)

t.case('end of stream', function()
  local s = ending('abc')
  t.check('fewer bytes than asked for', s:read(10), s:errno(), s:error())
  t.check('then nothing', s:read(10), s:errno())
  t.check('and nothing again', s:read(10))
  t.check('and nothing by delimiter', s:read('\n'))
  t.check('readable at the end', s:readable(5))

  s = ending('one\ntwo')
  t.check('a whole line before the end', s:read('\n'))
  t.check('a line without its end', s:read('\n'), s:errno())
  t.check('no more lines', s:read('\n'))

  t.check('everything', ending('a\nb\nc'):read({}))
  t.check('everything, with a timeout', ending('abc'):read({}, 5))
  t.check('everything is nothing', ending(''):read({}))
  t.check('a size limit beyond the end', ending('abc'):read({ chunk = 100, delimiter = '\n' }))
  t.check('nothing at all, by delimiter', ending(''):read('\n'))
end)

t.case('timeouts', function()
  local s, writer = source('abc')
  t.failed('a short timeout', s, s:read(5, 0.01))
  t.check('text of the timeout', s:error())
  writer:write('de')
  t.check('nothing was lost', s:read(5))
  t.failed('timeout 0, nothing there', s, s:read(5, 0))
  writer:write('fgh')
  while #s:recv(3, 'MSG_PEEK') < 3 do s:readable(5) end
  t.check('timeout 0 looks into the kernel', s:read(3, 0))
  t.failed('a negative timeout', s, s:read(3, -1))
  writer:write('ijk')
  s:readable(5)
  t.check('a negative timeout looks into the kernel', s:read(3, -1))
  t.failed('a timeout with a delimiter', s, s:read('\n', 0.01))
  t.failed('a timeout with both', s, s:read({ chunk = 5, delimiter = '\n' }, 0.01))

  local finished = false
  fiber.create(function()
    while not finished do
      writer:write('.')
      fiber.sleep(0.004)
    end
  end)
  t.failed('a trickle does not extend it', s, s:read(100000, 0.05))
  finished = true
end)

t.case('failures', function()
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  t.failed('not connected', s, s:read(1))
  local a, b = loopback.pair()
  b:write('kept')
  a:read(1)
  a:write('x')
  b:readable(5)
  b:linger(true, 0)
  b:close()
  a:readable(5)
  t.failed('a reset', a, a:read(10))
  t.check('bytes that came before stay', a:read(3))
end)

t.case('beside its buffer', function()
  local s, writer = source('abcdef')
  t.check('read fills the buffer', s:read(2))
  t.failed('sysread does not see it', s, s:sysread(10))
  t.failed('recv does not see it', s, s:recv(10))
  t.failed('readable does not count it', s, s:readable(0))
  writer:write('ghi')
  s:readable(5)
  t.check('sysread takes what is in the kernel', s:sysread(10))
  t.check('read goes on in the buffer', s:read(4))
end)

t.case('wrong arguments', function()
  local s = source('abc')
  t.raises('read true', s.read, s, true)
  t.raises('read a function', s.read, s, print)
  t.raises('read a number as delimiter', s.read, s, { delimiter = 5 })
  t.refuses('read a word as timeout', s.read, s, 5, 'soon')
  t.refuses('read a negative size', s.read, s, -5)
  t.check('nothing was taken', s:read(3))
end)

t.case('interrupted', function()
  local s, writer = source('abc')
  local ok, err
  local reader = fiber.create(function() ok, err = t.try(s.read, s, 10) end)
  reader:cancel()
  while ok == nil do fiber.sleep(0.001) end
  t.check('cancelled', ok, err)
  writer:write('de')
  t.check('another fiber reads on', s:read(5))

  ok = nil
  fiber.create(function() ok, err = t.try(s.read, s, 10) end)
  s:close()
  while ok == nil do fiber.sleep(0.001) end
  t.check('closed by another fiber', ok, err)

  s, writer = source('')
  local got
  reader = fiber.create(function() got = s:read(3) end)
  reader:wakeup()
  fiber.yield()
  reader:wakeup()
  fiber.sleep(0.005)
  t.check('woken for nothing', got)
  writer:write('abc')
  while got == nil do fiber.sleep(0.001) end
  t.check('it had gone on waiting', got)
end)

t.case('two directions', function()
  local a, b = loopback.pair()
  local got
  fiber.create(function() got = a:read(4) end)
  t.check('one fiber reads, another writes', a:write('ping'), b:read(4), b:write('pong'))
  while got == nil do fiber.sleep(0.001) end
  t.check('and the answer', got)
end)

os.exit(0)
