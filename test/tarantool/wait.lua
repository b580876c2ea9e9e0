-- wait.lua: readable, writable and wait: results, timeouts, several fibers on one socket, what ends
-- a wait (data, the end of the stream, errors, close, cancellation) and what does not (wakeup).
--
-- Left out because coir means to differ: what `wait` returns at a timeout (its errno is checked).

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

-- Starts `f(...)` in a fiber, in which it waits. Returns a function that gives the outcome (whether
-- `f` returned, and its result or message), and the fiber.
local function start(f, ...)
  local returned, result
  local function outcome()
    while returned == nil do fiber.sleep(0.001) end
    return returned, result
  end
  return outcome, fiber.create(function(...) returned, result = t.try(f, ...) end, ...)
end

t.case('ready', function()
  local a, b = loopback.pair()
  t.check('a new pair is writable', a:writable(), a:writable(5), a:writable(0))
  t.failed('a new pair is not readable', a, a:readable(0))
  t.check('wait, room', a:wait(5), a:errno())
  b:write('x')
  t.check('readable', a:readable(), a:errno())
  t.check('readable with a timeout', a:readable(5))
  t.check('readable with timeout 0', a:readable(0))
  t.check('readable with a negative timeout', a:readable(-1))
  t.check('writable with a negative timeout', a:writable(-1))
  t.check('wait, both', a:wait(5), a:wait(), a:wait(0))
  a:sysread(10)
  t.failed('readable no more', a, a:readable(0))
  local full, peer = loopback.full_pair()
  t.failed('full, not writable', full, full:writable(0))
  peer:write('y')
  t.check('full, wait', full:wait(5))
end)

t.case('timeout', function()
  local a = loopback.full_pair()
  t.failed('readable, timeout', a, a:readable(0.01))
  t.check('text of a timeout', a:error())
  t.failed('readable, negative timeout', a, a:readable(-1))
  t.failed('writable, timeout', a, a:writable(0.01))
  t.failed('writable, negative timeout', a, a:writable(-1))
  a:wait(0.01)
  t.check('wait, timeout', t.errno(a:errno()))
  a:name()
  a:wait(0)
  t.check('wait, timeout 0', t.errno(a:errno()))
  t.refuses('readable, a word as timeout', a.readable, a, 'soon')
  t.refuses('wait, a table as timeout', a.wait, a, {})
end)

t.case('end', function()
  local a, b = loopback.pair()
  b:shutdown('W')
  t.check('readable at the end', a:readable(5), a:readable(5))
  b:close()
  a, b = loopback.pair()
  b:linger(true, 0)
  b:close()
  t.check('readable after a reset', a:readable(5))
  t.check('writable after a reset', a:writable(5))
  local listener = loopback.listener()
  local client = loopback.connect(listener)
  t.failed('a listener without clients', listener, listener:readable(0))
  local other = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  other:sysconnect('127.0.0.1', listener:name().port)
  t.check('a listener with one', listener:readable(5))
  client:close()
end)

t.case('woken by an event', function()
  local a, b = loopback.pair()
  local outcome, waiting = start(a.readable, a)
  fiber.yield()
  t.check('it waits', waiting:status())
  b:write('x')
  t.check('data ends readable', outcome())
  a:sysread(10)
  outcome = start(a.readable, a, 5)
  b:close()
  t.check('the end ends readable', outcome())

  a, b = loopback.full_pair()
  outcome, waiting = start(a.writable, a, 5)
  while waiting:status() ~= 'dead' do
    loopback.drain(b)
    fiber.sleep(0.001)
  end
  t.check('room ends writable', outcome())

  a, b = loopback.pair()
  local first = start(a.readable, a, 5)
  local second = start(a.readable, a, 5)
  b:write('x')
  t.check('data wakes the first reader', first())
  t.check('data wakes the second reader', second())
end)

t.case('woken by close', function()
  local a = loopback.full_pair()
  local readable = start(a.readable, a)
  local writable = start(a.writable, a, 5)
  local wait = start(a.wait, a)
  local read = start(a.read, a, 5)
  local write = start(a.write, a, 'x')
  fiber.yield()
  t.check('close', a:close())
  t.check('close ends readable', readable())
  t.check('close ends writable', writable())
  t.check('close ends wait', wait())
  t.check('close ends read', read())
  t.check('close ends write', write())
  local listener = loopback.listener()
  local accepting = start(listener.readable, listener)
  listener:close()
  t.check('close ends readable of a listener', accepting())
end)

t.case('woken by cancel', function()
  local a = loopback.full_pair()
  for _, method in ipairs { 'readable', 'writable', 'wait' } do
    local outcome, waiting = start(a[method], a)
    waiting:cancel()
    t.check('cancel ends ' .. method, outcome())
  end
  local outcome, waiting = start(a.read, a, 5)
  waiting:cancel()
  t.check('cancel ends read', outcome())
  outcome, waiting = start(a.write, a, 'x')
  waiting:cancel()
  t.check('cancel ends write', outcome())
  t.check('the socket is as before', a:read(0), a:close())
end)

t.case('woken for nothing', function()
  local a, b = loopback.pair()
  local outcome, waiting = start(a.readable, a, 5)
  for _ = 1, 3 do
    waiting:wakeup()
    fiber.yield()
    fiber.yield()
  end
  t.check('wakeup does not end readable', waiting:status())
  b:write('x')
  t.check('data does', outcome())
  a:sysread(1)
  outcome, waiting = start(a.readable, a, 0.02)
  waiting:wakeup()
  t.check('the timeout comes as well', outcome())
  t.check('errno of that timeout', t.errno(a:errno()))
end)

os.exit(0)
