-- crowd_test.lua: fibers that wait for input without a C stack, because there are so many.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local child = require 'child'
local errno = require 'errno'
local fiber = require 'fiber'
local loopback = require 'loopback'
local socket = require 'socket'

test.case('few fibers keep their stacks', function()
  local a, b = loopback.pair()
  local got
  local f = fiber.spawn(function() got = a:read_any(); return a:read_any() end)
  b:write('x')
  test.eventually(function() return got and f:info().waiting end)
  test.ok(f:info().memory.used > 0)
  b:write('y')
  test.equal({ f:join() }, { true, 'y' })
end)

-- A handler that begins to wait before there is a crowd, and its client.
local early
local early_server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
  early = fiber.self()
  repeat until not s:write(s:read_any())
end))
local early_client = assert(socket.tcp_connect('127.0.0.1', early_server:name().port))

--- One echo, and how much C stack the handler needs afterwards.
local function early_echo(message)
  assert(early_client:write(message))
  test.equal(early_client:read(#message), message)
  test.eventually(function() return early:info().waiting end)
  return early:info().memory.used
end
local used_among_few = early_echo('few')

require 'crowd'

test.case('a handler that has begun among few keeps no C stack in a crowd', function()
  test.ok(used_among_few > 0)
  test.equal(early_echo('many'), 0)
  test.equal({ early_server:stop(0) }, { false, '1 handler was cancelled', errno.ETIMEDOUT })
  early_client:close()
end)

--- A fiber that waits in read(a), of a socket that is known to be empty; the other end of it; and
--- the C stack that the fiber needs.
local function reader(read)
  local a, b = loopback.pair()
  b:write('.')
  test.equal(a:read_any(), '.')
  local f = fiber.spawn(read, a)
  test.eventually(function() return f:info().waiting end)
  return f, b, f:info().memory.used, a
end

local reads = {
  ['read_any()'] = { function(s) return s:read_any() end, 'some', 'some' },
  ['read_any(limit)'] = { function(s) return s:read_any(2) end, 'some', 'so' },
  ['read(limit)'] = { function(s) return s:read(4) end, 'some more', 'some' },
  ['read(delimiter)'] = { function(s) return s:read('e') end, 'some', 'some' },
  ['readline()'] = { function(s) return s:readline() end, 'a\nb\n', 'a\n' },
  ['readline(limit, eol)'] = { function(s) return s:readline(10, '|') end, 'a|b', 'a|' },
  ['peek(limit)'] = { function(s) return s:peek(2) .. s:read(4) end, 'some', 'sosome' },
  ['lines()'] = { function(s) return s:lines()() end, 'a\nb\n', 'a' },
  ['lines(eol)'] = { function(s) return s:lines('|')() end, 'a|b', 'a' },
  ['with a timeout'] = { function(s) return s:read(4, 100) end, 'some', 'some' },
  ['in pcall'] = { function(s) return select(2, pcall(s.read, s, 4)) end, 'some', 'some' },
  ['in a metamethod'] = {
    function(s) return setmetatable({}, { __index = function() return s:read(4) end }).x end,
    'some', 'some',
  },
}

for name, case in pairs(reads) do
  test.case('no C stack: ' .. name, function()
    local f, b, used = reader(case[1])
    test.equal(used, 0)
    b:write(case[2])
    test.equal({ f:join() }, { true, case[3] })
    b:close()
  end)
end

test.case('a C stack: delimiters in a table, which may change meanwhile', function()
  local delimiters = { '|', ';' }
  local f, b, used = reader(function(s) return s:read({ delimiter = delimiters }) end)
  test.ok(used > 0)
  delimiters[1] = 'o'
  b:write('some;')
  test.equal({ f:join() }, { true, 'some;' })
end)

test.case('a C stack: a limit in a table', function()
  local options = { chunk = 4 }
  local f, b, used = reader(function(s) return s:read(options) end)
  test.ok(used > 0)
  options.chunk = 'x'
  b:write('some')
  test.equal({ f:join() }, { true, 'some' })
end)

test.case('no C stack: the first read of a connection, and that of a pair', function()
  for _, pair in ipairs { loopback.pair, loopback.unix_pair } do
    local a, b = pair()
    local f = fiber.spawn(function() return a:read(2), a:read(2) end)
    test.eventually(function() return f:info().waiting end)
    test.equal(f:info().memory.used, 0)
    b:write('one')
    test.eventually(function() return f:info().memory.used > 0 end)
    b:write('2')
    test.equal({ f:join() }, { true, 'on', 'e2' })
  end
end)

test.case('a C stack: where C waits for an answer', function()
  local f, b, used = reader(function(s)
    return (string.gsub('x', 'x', function() return s:read(4) end))
  end)
  test.ok(used > 0)
  b:write('some')
  test.equal({ f:join() }, { true, 'some' })
end)

test.case('what arrives in pieces is put together', function()
  local f, b = reader(function(s) return s:readline(), s:read_any() end)
  b:write('one ')
  test.eventually(function() return f:info().memory.used > 0 end) -- a part of the line is there
  b:write('line\n')
  test.eventually(function() return f:info().memory.used == 0 end)
  b:write('rest')
  test.equal({ f:join() }, { true, 'one line\n', 'rest' })
end)

test.case('nothing asked for is answered at once', function()
  local a, b = loopback.pair()
  b:write('.')
  a:read_any()
  test.equal(a:read(0), '')
  test.equal(a:read_any(0), '')
  test.equal(a:peek(0), '')
end)

test.case('the end of the stream and a reset arrive', function()
  local f, b = reader(function(s) return s:read(4) end)
  b:close()
  test.equal({ f:join() }, { true, '' })
  f, b = reader(function(s) return s:read(4) end)
  b:linger(true, 0)
  b:close()
  local _, value, _, code = f:join()
  test.equal({ value, code }, { nil, errno.ECONNRESET })
end)

test.case('a timeout ends the wait when it is due, and the next read goes on', function()
  local f, b = reader(function(s)
    local began = fiber.clock()
    local value, message, code = s:read(4, 0.02)
    local waited = fiber.clock() - began
    return value, message, code, waited, s:errno(), s:read(4)
  end)
  test.eventually(function() return f:info().memory.used == 0 end)
  local result = { fiber.spawn(function() fiber.sleep(0.03) b:write('some') return f:join() end):join() }
  local _, _, value, message, code, waited, kept, late = table.unpack(result)
  test.equal({ value, message, code, kept, late },
    { nil, 'Connection timed out', errno.ETIMEDOUT, errno.ETIMEDOUT, 'some' })
  test.ok(waited >= 0.02, waited)
end)

test.case('the deadline of a read is not put off by a part of what was asked for', function()
  local order = {}
  local f, b = reader(function(s)
    order[1] = select(3, s:read(4, 0.05))
  end)
  -- Due before a wait of 0.05 s that began with the part.
  local later = fiber.spawn(function() fiber.sleep(0.06); order[#order + 1] = 'later' end)
  fiber.sleep(0.02)
  b:write('so')
  f:join()
  later:join()
  test.equal(order, { errno.ETIMEDOUT, 'later' })
end)

test.case('cancellation, close and interruption end the wait', function()
  local caught
  local f = reader(function(s)
    caught = select(2, pcall(s.read, s, 4))
    return s:read(4)
  end)
  f:cancel()
  test.equal(select(1, f:join()), false)
  test.ok(fiber.is_cancelled(caught))
  local g, _, _, a = reader(function(s) return s:read(4) end)
  a:close()
  local ok, message = g:join()
  test.equal(ok, false)
  test.match(message, 'attempt to use closed socket')
end)

test.case('two fibers cannot read at a time', function()
  local f, b, used, a = reader(function(s) return s:read(4) end)
  test.equal(used, 0)
  test.fails('EBUSY', a:read(4))
  test.refused('EBUSY', a:unread('x'))
  b:write('some')
  test.equal({ f:join() }, { true, 'some' })
  b:write('more')
  test.equal(a:read(4), 'more')
end)

test.case('what was gathered leaves before the wait', function()
  local f, b = reader(function(s)
    s:setvbuf('auto')
    s:write('question')
    return s:read(6)
  end)
  test.equal(b:read(8), 'question')
  b:write('answer')
  test.equal({ f:join() }, { true, 'answer' })
end)

test.case('the Lua thread of a fiber that waits can be neither resumed nor closed by others', function()
  local thread
  local f, b = reader(function(s)
    thread = coroutine.running()
    return s:readline()
  end)
  test.equal({ coroutine.resume(thread, '|') }, { false, 'cannot resume non-suspended coroutine' })
  test.raises('cannot close a normal coroutine', coroutine.close, thread)
  b:write('a|b\n')
  test.equal({ f:join() }, { true, 'a|b\n' })
end)

test.case('an error after the wait says where', function()
  local f, b = reader(function(s)
    s:read(1)
    error('after')
  end)
  b:write('x')
  local _, message = f:join()
  test.match(message, 'crowd_test.lua:%d+: after$')
  test.match(f:traceback(), "in function 'error'")
end)

test.case('who waits can be looked at', function()
  local f, _, _, a = reader(function(s) return s:readline() end)
  test.match(f:traceback(), "readline'\n\t[^\n]*crowd_test.lua:%d+: in ")
  test.match(f:info().waiting, '^read fd ' .. a:fd() .. ' peer 127.0.0.1:%d+, ')
  f:cancel()
  f:join()
end)

-- -- Other waits ----------------------------------------------------------------------------------

--- A fiber that waits, and the C stack that it needs.
local function waiter(body, ...)
  local f = fiber.spawn(body, ...)
  fiber.yield()
  test.equal(f:status(), 'suspended')
  return f, f:info().memory.used
end

local waits = {
  ['cond:wait()'] = { fiber.cond, 'wait', function(cond) cond:signal() end, true },
  ['channel:get()'] = { fiber.channel, 'get', function(channel) channel:put('value') end, 'value' },
  ['channel:put()'] = { fiber.channel, 'put', function(channel) assert(channel:get() == 7) end, true, 7 },
  ['mutex:lock()'] = {
    function() local m = fiber.mutex(); m:lock(); return m end, 'lock', function(m) m:unlock() end, true,
  },
  ['semaphore:acquire()'] = {
    function() return fiber.semaphore(0) end, 'acquire', function(s) s:release() end, true,
  },
  ['wait_group:wait()'] = {
    function() local g = fiber.wait_group(); g:add(1); return g end, 'wait', function(g) g:done() end, true,
  },
}

for name, case in pairs(waits) do
  local make, method, wake, wanted, argument = table.unpack(case, 1, 5)
  test.case('no C stack: ' .. name, function()
    local object = make()
    local f, used = waiter(object[method], object, argument)
    test.equal(used, 0)
    collectgarbage() -- only the fiber that waits has the object now
    wake(object)
    test.equal({ f:join() }, { true, wanted })
  end)

  test.case('a timeout and a cancellation end ' .. name, function()
    local object = make()
    local late = argument and waiter(object[method], object, argument, 0.001)
      or waiter(object[method], object, 0.001)
    local ok, value, why = late:join()
    test.equal({ ok, not value }, { true, true })
    test.ok(why == 'timeout' or name == 'cond:wait()', why)
    local f = waiter(object[method], object, argument)
    f:cancel()
    test.ok(fiber.is_cancelled(select(2, f:join())))
  end)
end

test.case('what waits is kept by who waits for it', function()
  local f = waiter(function() return fiber.channel():get() end)
  for _ = 1, 3 do collectgarbage() end
  f:cancel()
  test.ok(fiber.is_cancelled(select(2, f:join())))
end)

-- -- Servers --------------------------------------------------------------------------------------

local function echo(s)
  repeat local data = s:read_any() until data == '' or not s:write(data)
end

test.case('handlers keep no C stack, and are what they are elsewhere', function()
  local handler, name
  local server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
    handler, name = fiber.self(), fiber.name()
    echo(s)
    s:setvbuf('auto')
    s:write('bye')
  end))
  local client <close> = assert(socket.tcp_connect('127.0.0.1', server:name().port))
  for _ = 1, 20 do
    client:write('ping')
    test.equal(client:read(4), 'ping')
  end
  test.eventually(function() return handler:info().waiting end)
  test.equal(handler:info().memory.used, 0)
  test.equal(handler:name(), 'server/127.0.0.1:' .. client:name().port)
  test.equal(name, handler:name())
  test.ok(client:shutdown('W'))
  test.equal(client:read(nil, 10), 'bye')
  test.equal(server:stop(10), true)
end)

test.case('a server stops handlers that wait', function()
  local ended
  local server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
    local _ <close> = setmetatable({}, { __close = function() ended = true end })
    s:write('x')
    s:read_any()
  end))
  local client <close> = assert(socket.tcp_connect('127.0.0.1', server:name().port))
  client:read(1)
  test.equal({ server:stop(0.01) }, { false, '1 handler was cancelled', errno.ETIMEDOUT })
  test.equal(ended, true)
  test.equal(client:read(1), '')
end)

test.case('an idle connection is small', function()
  local count = 400
  local waiting = 0
  local server = assert(socket.tcp_server('127.0.0.1', 0, function(s)
    s:write(s:read_any())
    waiting = waiting + 1
    s:read_any()
  end))
  local function resident()
    collectgarbage()
    collectgarbage()
    local statm <close> = io.open('/proc/self/statm')
    return select(2, statm:read('n', 'n')) * 4096
  end
  local before = resident()
  local client = child.start(([[
    local all = {}
    for i = 1, %d do
      all[i] = assert(socket.tcp_connect('127.0.0.1', %d))
      all[i]:write('x')
      assert(all[i]:read(1) == 'x')
    end
    fiber.sleep(1000)
  ]]):format(count, server:name().port))
  test.eventually(function() return waiting == count end)
  local each = (resident() - before) / count
  client:signal('KILL')
  client:wait()
  test.equal(server:stop(10), true)
  test.ok(each < 3500 or child.sanitized(), each .. ' bytes')
end)

test.finish()
