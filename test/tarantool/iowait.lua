-- iowait.lua: socket.iowait(descriptor, events, timeout): its number and string forms, timeouts,
-- sleeping without a descriptor, and wrong arguments.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

local iowait = socket.iowait

t.case('numbers', function()
  local a, b = loopback.pair()
  t.check('2, room', iowait(a:fd(), 2, 5))
  t.check('3, room', iowait(a:fd(), 3, 5))
  t.check('1, nothing there', iowait(a:fd(), 1, 0))
  t.check('1, a short timeout', iowait(a:fd(), 1, 0.01))
  t.check('1, a negative timeout', iowait(a:fd(), 1, -1))
  b:write('x')
  t.check('1, data', iowait(a:fd(), 1, 5))
  t.check('3, both', iowait(a:fd(), 3, 5))
  t.check('2, asked for room only', iowait(a:fd(), 2, 5))
  t.check('without a timeout', iowait(a:fd(), 1))
  local full, peer = loopback.full_pair()
  t.check('2, full', iowait(full:fd(), 2, 0))
  t.check('3, full', iowait(full:fd(), 3, 0.01))
  peer:write('x')
  t.check('3, full, data', iowait(full:fd(), 3, 5))
end)

t.case('strings', function()
  local a, b = loopback.pair()
  t.check('w, room', iowait(a:fd(), 'w', 5))
  t.check('W, room', iowait(a:fd(), 'W', 5))
  t.check('rw, room', iowait(a:fd(), 'rw', 5))
  t.check('r, nothing there', iowait(a:fd(), 'r', 0))
  t.check('R, nothing there', iowait(a:fd(), 'R', 0.01))
  b:write('x')
  t.check('r, data', iowait(a:fd(), 'r', 5))
  t.check('R, data', iowait(a:fd(), 'R', 5))
  t.check('rw, both', iowait(a:fd(), 'rw', 5))
  t.check('WR, both', iowait(a:fd(), 'WR', 5))
  t.check('rrr, data', iowait(a:fd(), 'rrr', 5))
  t.check('R without a timeout', iowait(a:fd(), 'R'))
  b:close()
  a:sysread(10)
  t.check('r, the end', iowait(a:fd(), 'r', 5))
end)

t.case('waiting', function()
  local a, b = loopback.pair()
  local got
  local function start(events)
    got = nil
    return fiber.create(function() got = iowait(a:fd(), events, 5) end)
  end
  local function outcome()
    while got == nil do fiber.sleep(0.001) end
    return got
  end
  start('R')
  t.check('it waits', got)
  b:write('x')
  t.check('data ends it', outcome())
  a:sysread(10)
  start(1)
  b:write('x')
  t.check('data ends it, number', outcome())
  a:sysread(10)
  start('R'):wakeup()
  t.check('woken for nothing', outcome())
  start(1):wakeup()
  t.check('woken for nothing, number', outcome())

  local ok, err
  local waiting = fiber.create(function() ok, err = t.try(iowait, a:fd(), 'R', 5) end)
  waiting:cancel()
  while ok == nil do fiber.sleep(0.001) end
  t.check('cancelled', ok, err)
end)

t.case('sleeping', function()
  local before = fiber.clock()
  t.check('no descriptor, no events', select('#', iowait(nil, nil, 0.01)))
  t.check('descriptor -1, no events', select('#', iowait(-1, nil, 0.01)))
  t.check('it took its time', fiber.clock() - before > 0.015)
  t.check('no time at all', select('#', iowait(nil, nil, 0)))
end)

t.case('wrong arguments', function()
  local fd = loopback.pair():fd()
  t.refuses('no arguments', iowait)
  t.refuses('a descriptor only', iowait, fd)
  t.refuses('no events', iowait, fd, nil, 1)
  t.refuses('events 0', iowait, fd, 0, 1)
  t.refuses('events 4', iowait, fd, 4, 1)
  t.refuses('events -1', iowait, fd, -1, 1)
  t.refuses('events in an empty string', iowait, fd, '', 1)
  t.refuses('events in another word', iowait, fd, 'rx', 1)
  t.refuses('events in a table', iowait, fd, {}, 1)
  t.refuses('events without a descriptor', iowait, nil, 'r', 1)
  t.refuses('events with descriptor -1', iowait, -1, 'r', 1)
  t.refuses('a word as descriptor', iowait, 'fd', 'r', 1)
  t.refuses('a word as timeout', iowait, fd, 'r', 'soon')
end)

os.exit(0)
