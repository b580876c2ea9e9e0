-- cancel.lua: cancelling fibers: what it interrupts, what it leaves alone, and that it stays.
--
-- Left out because coir means to differ: `join` and `cond:wait` in a cancelled fiber, `iowait` with
-- number events, calls of a cancelled fiber that would not have to wait (`read` and `write` with
-- data or room, `get` and `put` of a buffered channel), and how long its `sleep` takes.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

-- Runs `f` in a fiber that is cancelled while it waits. Returns what `f` returned or raised.
local function cancelled_in(f)
  local returned, result
  local victim = fiber.create(function() returned, result = t.try(f) end)
  local waited = returned == nil
  victim:cancel()
  while returned == nil do fiber.sleep(0.001) end
  return waited, returned, result
end

-- Runs `f` in a fiber that has been cancelled before. Returns what `f` returned or raised.
local function after_cancel(f)
  local returned, result
  local victim = fiber.create(function()
    pcall(fiber.sleep, 1000)
    returned, result = t.try(f)
  end)
  victim:cancel()
  while returned == nil do fiber.sleep(0.001) end
  return returned, result
end

t.case('the call', function()
  local log = {}
  local f = fiber.create(function()
    local _, err = t.try(fiber.sleep, 1000)
    log[#log + 1] = err
  end)
  t.check('cancel returns nothing', select('#', f:cancel()))
  log[#log + 1] = 'no switch'
  t.check('the fiber has not run yet', f:status())
  fiber.yield()
  t.check('then it runs', table.concat(log, ', '), f:status())

  f = fiber.create(fiber.sleep, 1000)
  fiber.cancel(f)
  fiber.yield()
  t.check('cancel as a function', f:status())
  f = fiber.create(fiber.sleep, 1000)
  fiber.cancel(f:id())
  fiber.yield()
  t.check('cancel by id', f:status())
  f = fiber.create(fiber.sleep, 1000)
  fiber.kill(f:id())
  fiber.yield()
  t.check('kill by id', f:status())
  f = fiber.create(fiber.sleep, 1000)
  fiber.kill(f)
  fiber.yield()
  t.check('kill', f:status())
  t.raises('cancel of a dead fiber', fiber.cancel, f)
  t.raises('cancel of an unknown id', fiber.cancel, 1000000000)
  t.raises('kill of an unknown id', fiber.kill, 1000000000)
  t.refuses('cancel of nothing', fiber.cancel)
  t.refuses('cancel of a word', fiber.cancel, 'f')
  t.check('testcancel in a fiber that is not cancelled', select('#', fiber.testcancel()))
  t.refuses('testcancel with an argument', fiber.testcancel, 1)
end)

t.case('while waiting', function()
  local a = loopback.full_pair()
  local listener = loopback.listener()
  local empty, full = fiber.channel(), fiber.channel(1)
  full:put('x')
  t.check('in sleep', cancelled_in(function() fiber.sleep(1000) end))
  t.check('in yield', cancelled_in(function() fiber.yield() end))
  t.check('in readable', cancelled_in(function() return a:readable() end))
  t.check('in readable with a timeout', cancelled_in(function() return a:readable(1000) end))
  t.check('in writable', cancelled_in(function() return a:writable() end))
  t.check('in wait', cancelled_in(function() return a:wait() end))
  t.check('in read', cancelled_in(function() return a:read(1) end))
  t.check('in read by delimiter', cancelled_in(function() return a:read('\n', 1000) end))
  t.check('in write', cancelled_in(function() return a:write('x') end))
  t.check('in readable of a listener', cancelled_in(function() return listener:readable() end))
  t.check('in iowait', cancelled_in(function() return socket.iowait(a:fd(), 'R') end))
  t.check('in get', cancelled_in(function() return empty:get() end))
  t.check('in get with a timeout', cancelled_in(function() return empty:get(1000) end))
  t.check('in put', cancelled_in(function() return empty:put('x') end))
  t.check('in put to a full channel', cancelled_in(function() return full:put('x', 1000) end))
  t.check('the full channel is as before', full:get(0), (full:get(0)))
end)

t.case('it stays', function()
  local a = loopback.full_pair()
  local empty, full = fiber.channel(), fiber.channel(1)
  full:put('x')
  t.check('then sleep', after_cancel(function() fiber.sleep(0.001) end))
  t.check('then sleep 0', after_cancel(function() fiber.sleep(0) end))
  t.check('then yield', after_cancel(fiber.yield))
  t.check('then testcancel', after_cancel(fiber.testcancel))
  t.check('then readable', after_cancel(function() return a:readable() end))
  t.check('then writable', after_cancel(function() return a:writable() end))
  t.check('then wait', after_cancel(function() return a:wait() end))
  t.check('then read', after_cancel(function() return a:read(1) end))
  t.check('then write', after_cancel(function() return a:write('x') end))
  t.check('then iowait', after_cancel(function() return socket.iowait(a:fd(), 'R') end))
  t.check('then get', after_cancel(function() return empty:get() end))
  t.check('then put', after_cancel(function() return full:put('x') end))

  local caught = 0
  local f = fiber.create(function()
    for _ = 1, 3 do
      if not pcall(fiber.yield) then caught = caught + 1 end
    end
  end)
  f:cancel()
  while f:status() ~= 'dead' do fiber.yield() end
  t.check('pcall catches it each time', caught)
end)

t.case('what it leaves alone', function()
  local a, b = loopback.pair()
  b:write('data')
  a:readable(5)
  t.check('then recv', after_cancel(function() return a:recv(2) end))
  t.check('then sysread', after_cancel(function() return a:sysread(2) end))
  t.check('then syswrite', after_cancel(function() return a:syswrite('xy') end))
  t.check('then send', after_cancel(function() return a:send('xyz') end))
  t.check('then accept', after_cancel(function()
    return (loopback.listener():accept())
  end))
  t.check('then name', after_cancel(function() return a:name().host end))
  t.check('then create', after_cancel(function()
    local inner
    fiber.create(function() inner = 'it runs' end)
    return inner
  end))
  t.check('then signal', after_cancel(function() return fiber.cond():signal() end))
  t.check('then computing', after_cancel(function()
    local sum = 0
    for i = 1, 1000 do sum = sum + i end
    return sum
  end))
  t.check('then close', after_cancel(function() return a:close() end))

  local inner
  local outer = fiber.create(function()
    inner = fiber.create(function() fiber.sleep(1000) end)
    fiber.sleep(1000)
  end)
  outer:cancel()
  fiber.yield()
  t.check('fibers that it created', outer:status(), inner:status())
end)

t.case('oneself', function()
  local log = {}
  local f = fiber.create(function()
    local _, err = t.try(function() fiber.self():cancel() end)
    log[#log + 1] = err
    _, err = t.try(fiber.testcancel)
    log[#log + 1] = err
    fiber.kill(fiber.id())
    log[#log + 1] = 'not reached'
  end)
  t.check('it raises at once, and again', table.concat(log, ', '), f:status())
end)

t.case('before it has run', function()
  local log = {}
  local f = fiber.new(function()
    log[#log + 1] = 'begun'
    fiber.testcancel()
    log[#log + 1] = 'not reached'
  end)
  f:cancel()
  t.check('status before the first run', f:status())
  while f:status() ~= 'dead' do fiber.yield() end
  t.check('it runs to its first check', table.concat(log, ', '))
end)

t.case('the value', function()
  local err
  local f = fiber.create(function()
    local _
    _, err = pcall(fiber.sleep, 1000)
  end)
  f:cancel()
  fiber.yield()
  t.check('as a string', tostring(err))
  t.check('raised again', t.try(error, err))
  t.check('it is no string', type(err) ~= 'string')
end)

t.case('the next in the queue', function()
  local channel = fiber.channel()
  local got
  local first = fiber.create(function() channel:get() end)
  fiber.create(function() got = channel:get() end)
  first:cancel()
  channel:put('message')
  fiber.yield()
  t.check('the message goes to the next reader', got)

  first = fiber.create(function() channel:put('first') end)
  fiber.create(function() channel:put('second') end)
  first:cancel()
  fiber.yield()
  t.check('the next writer is served', channel:get())

  local s, writer = loopback.pair()
  got = nil
  first = fiber.create(function() s:readable() end)
  fiber.create(function() got = s:readable() end)
  first:cancel()
  writer:write('x')
  while got == nil do fiber.sleep(0.001) end
  t.check('another that waits for the socket', got)
end)

os.exit(0)
