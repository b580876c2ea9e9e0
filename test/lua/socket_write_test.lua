-- socket_write_test.lua: write and writev.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'

local megabyte = 1 << 20

local function check_cancelled(f)
  local ok, err = f:join()
  test.equal(ok, false)
  test.ok(fiber.is_cancelled(err))
end

test.case('write returns the number of bytes', function()
  local a, b = loopback.pair()
  test.equal({ a:write('hello'), a:write(' world', 5), a:write('\0\n\255', nil) }, { 5, 6, 3 })
  test.equal(b:read(14), 'hello world\0\n\255')
end)

test.case('writing nothing is 0, whatever the state of the connection', function()
  local a, _b = loopback.full_pair()
  test.equal({ a:write(''), a:write('', 0), a:write({}), a:write({ '', '' }), a:writev(),
    a:writev('') },
    { 0, 0, 0, 0, 0, 0 })
  return _b
end)

test.case('a small write does not switch', function()
  local a, _b = loopback.pair()
  local before = fiber.self():csw()
  a:write('x')
  test.equal(fiber.self():csw(), before)
  return _b
end)

test.case('write takes strings and tables of strings only', function()
  local a, _b = loopback.pair()
  for _, value in ipairs { 5, true, print, fiber.self() } do
    test.raises('string expected', a.write, a, value)
  end
  test.raises('string expected', a.write, a)
  for _, piece in ipairs { 5, true, {}, print } do
    test.raises('piece 2 is a ' .. type(piece) .. ', not a string', a.write, a, { 'x', piece })
  end
  test.raises('string expected', a.writev, a, 'x', 5)
  test.raises('string expected', a.writev, a, nil)
  test.raises('NaN', a.write, a, 'x', 0 / 0)
  test.raises('number expected', a.write, a, 'x', {})
  return _b
end)

test.case('write sends the pieces of a table in order', function()
  local a, b = loopback.pair()
  test.equal(a:write({ 'one ', '', 'two ', 'three' }), 13)
  test.equal(b:read(13), 'one two three')
  test.equal(a:write({ 'x' }, 5), 1)
end)

test.case('writev sends its arguments in order', function()
  local a, b = loopback.pair()
  test.equal(a:writev('one ', '', 'two ', 'three'), 13)
  test.equal(b:read(13), 'one two three')
end)

test.case('thousands of pieces, more than one system call takes', function()
  local a, b = loopback.pair()
  local pieces = {}
  for i = 1, 10000 do pieces[i] = tostring(i) .. ',' end
  local text = table.concat(pieces)
  local reader = fiber.spawn(b.read, b, 2 * #text)
  test.equal(a:write(pieces), #text)
  test.equal(a:writev(table.unpack(pieces)), #text)
  test.equal({ reader:join() }, { true, text .. text })
end)

test.case('a table that changes while its fiber waits is sent as it was', function()
  local a, b, total = loopback.full_pair()
  local pieces = { ('a'):rep(megabyte), ('b'):rep(megabyte) }
  local writer = fiber.spawn(a.write, a, pieces)
  fiber.yield()
  pieces[1], pieces[2] = nil, nil
  collectgarbage()
  test.equal(#b:read(total), total)
  test.ok(b:read(2 * megabyte) == ('a'):rep(megabyte) .. ('b'):rep(megabyte))
  test.equal({ writer:join() }, { true, 2 * megabyte })
end)

test.case('a hundred megabytes reach a slow reader whole', function()
  local a, b = loopback.pair()
  local piece = {}
  for i = 1, 256 do piece[i] = ('%07d\n'):format(i):rep(512) end
  local data = table.concat(piece):rep(100)
  test.equal(#data, 100 * megabyte)
  local writer = fiber.spawn(function()
    local n = a:write(data)
    a:close()
    return n
  end)
  local sum, place, most = 0, 1, 0
  while true do
    local part = b:read_any(200000)
    if part == '' then break end
    if sum % 17 == 0 then fiber.yield() end
    test.ok(data:sub(place, place + #part - 1) == part, 'the data differ')
    place, sum = place + #part, sum + 1
    most = math.max(most, #b.rbuf)
  end
  test.equal(place - 1, #data)
  test.ok(most <= 2 * megabyte)
  test.equal({ writer:join() }, { true, #data })
end)

test.case('a write that times out says how much has gone', function()
  local a, b, total = loopback.full_pair()
  local n, message, code, written = test.takes(0.009, 5, a.write, a, ('x'):rep(megabyte), 0.01)
  test.fails('ETIMEDOUT', n, message, code)
  test.equal({ written, a:errno(), a:error() }, { 0, errno.ETIMEDOUT, 'Connection timed out' })
  local writer = fiber.spawn(a.write, a, ('y'):rep(32 * megabyte), 0.2)
  test.equal(#b:read(total + 1000), total + 1000)
  local _, value, _, code2, gone = writer:join()
  test.equal({ value, code2 }, { nil, errno.ETIMEDOUT })
  test.ok(gone >= 1000 and gone < 32 * megabyte)
  a:close()
  test.equal(#b:read() + 1000, gone)
end)

test.case('a write with timeout 0 sends what the kernel takes', function()
  local a, b = loopback.pair()
  local n, _, code, written = a:write(('x'):rep(64 * megabyte), 0)
  test.equal({ n, code }, { nil, errno.ETIMEDOUT })
  test.ok(written > 0)
  a:close()
  test.equal(#b:read(), written)
  a, b = loopback.pair()
  test.equal({ a:write('fits', 0), a:write('fits', -1) }, { 4, 4 })
  test.equal(b:read(8), 'fitsfits')
end)

test.case('SO_SNDTIMEO is the timeout of a write that names none', function()
  local a, _b = loopback.full_pair()
  a:setsockopt('SOL_SOCKET', 'SO_SNDTIMEO', 0.005)
  for _, name in ipairs { 'write', 'writev', 'send', 'syswrite' } do
    test.fails('ETIMEDOUT', test.takes(0.004, 5, a[name], a, 'x'))
  end
  return _b
end)

test.case('a write to a peer that is gone fails with the count', function()
  local a, b = loopback.pair()
  b:linger(true, 0)
  b:close()
  local n, message, code, written
  test.eventually(function() n, message, code, written = a:write('x'); return n == nil end)
  test.fails(nil, n, message, code)
  test.ok(code == errno.EPIPE or code == errno.ECONNRESET)
  test.equal(written, 0)
end)

test.case('a cancelled writer raises, and others can still write', function()
  local a, b, total = loopback.full_pair()
  local writer = fiber.spawn(a.write, a, 'lost')
  fiber.yield()
  writer:cancel()
  check_cancelled(writer)
  test.equal(#b:read(total), total)
  a:write('kept')
  test.equal(b:read(4), 'kept')
  local f = fiber.spawn(a.write, a, 'x')
  f:cancel()
  check_cancelled(f)
end)

test.case('closing from another fiber raises in the writers', function()
  local a, _b = loopback.full_pair()
  local writers = {}
  for i = 1, 3 do writers[i] = fiber.spawn(a.write, a, 'x') end
  fiber.yield()
  a:close()
  for i = 1, 3 do
    local ok, message = writers[i]:join()
    test.equal(ok, false)
    test.match(message, 'attempt to use closed socket')
  end
  return _b
end)

test.case('what several fibers write is not torn apart', function()
  local a, b = loopback.pair()
  local writers = {}
  for i = 1, 4 do
    writers[i] = fiber.spawn(a.write, a, { tostring(i):rep(megabyte), tostring(i):rep(megabyte) })
  end
  for i = 1, 4 do test.ok(b:read(2 * megabyte) == tostring(i):rep(2 * megabyte)) end
  for i = 1, 4 do test.equal({ writers[i]:join() }, { true, 2 * megabyte }) end
end)

test.finish()
