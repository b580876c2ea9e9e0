-- switches.lua: which calls switch to other fibers, counted in the fiber's context switches (csw).

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

local function csw()
  return fiber.info({ bt = false })[fiber.id()].csw
end

-- Counts the switches of `f(...)`. The yield in front gives each call a fresh turn of the loop.
local function switches(f, ...)
  fiber.yield()
  local before = csw()
  f(...)
  return csw() - before
end

-- A connected pair; data, and the socket's answers, have time to arrive in `ready`.
local a, b = loopback.pair()

local function ready(data)
  b:write(data)
  a:readable(5)
  while #a:recv(#data, 'MSG_PEEK') < #data do fiber.sleep(0.001) end
end

t.case('writing', function()
  t.check('write', switches(a.write, a, 'small'))
  t.check('write with a timeout', switches(a.write, a, 'small', 5))
  t.check('write nothing', switches(a.write, a, ''))
  t.check('syswrite', switches(a.syswrite, a, 'small'))
  t.check('send', switches(a.send, a, 'small'))
  loopback.drain(b)
end)

t.case('reading', function()
  ready('0123456789')
  t.check('read, data in the kernel', switches(a.read, a, 4))
  t.check('read, data in the buffer', switches(a.read, a, 4))
  t.check('read 0', switches(a.read, a, 0))
  t.check('read by delimiter, data in the buffer', switches(a.read, a, '9'))
  t.check('read, nothing there, timeout 0', switches(a.read, a, 1, 0))
  t.check('sysread, nothing there', switches(a.sysread, a, 1))
  t.check('recv, nothing there', switches(a.recv, a, 1))
  t.check('recvfrom, nothing there', switches(a.recvfrom, a, 1))
end)

t.case('waiting', function()
  t.check('writable, room', switches(a.writable, a))
  t.check('writable, room, timeout 0', switches(a.writable, a, 0))
  t.check('wait, room', switches(a.wait, a))
  t.check('readable, nothing there, timeout 0', switches(a.readable, a, 0))
  ready('x')
  t.check('readable, data', switches(a.readable, a))
  t.check('readable, data, timeout 0', switches(a.readable, a, 0))
  t.check('wait, both', switches(a.wait, a, 5))
  t.check('iowait, data', switches(socket.iowait, a:fd(), 'R', 5))
  t.check('iowait, data, timeout 0', switches(socket.iowait, a:fd(), 1, 0))
  a:sysread(1)
  t.check('iowait, nothing there, timeout 0', switches(socket.iowait, a:fd(), 1, 0))
end)

t.case('sockets', function()
  local function open() return socket('AF_INET', 'SOCK_STREAM', 'tcp') end
  t.check('socket', switches(open))
  local listener = open()
  t.check('bind', switches(listener.bind, listener, '127.0.0.1', 0))
  t.check('listen', switches(listener.listen, listener))
  t.check('accept, nobody there', switches(listener.accept, listener))
  t.check('name', switches(listener.name, listener))
  t.check('getsockopt', switches(listener.getsockopt, listener, 'SOL_SOCKET', 'SO_TYPE'))
  local client = open()
  t.check('sysconnect', switches(client.sysconnect, client, '127.0.0.1', listener:name().port))
  t.check('shutdown', switches(a.shutdown, a, 'W'))
  t.check('close', switches(listener.close, listener))
end)

t.case('fibers', function()
  t.check('create', switches(fiber.create, function() end))
  t.check('create, of a fiber that waits', switches(fiber.create, fiber.yield))
  t.check('new', switches(fiber.new, function() end))
  t.check('yield', switches(fiber.yield))
  t.check('sleep 0', switches(fiber.sleep, 0))
  t.check('sleep', switches(fiber.sleep, 0.001))
  t.check('self', switches(fiber.self))
  t.check('testcancel', switches(fiber.testcancel))
  local f = fiber.create(fiber.sleep, 1000)
  t.check('wakeup', switches(fiber.wakeup, f))
  f = fiber.create(fiber.sleep, 1000)
  t.check('cancel', switches(fiber.cancel, f))
end)

t.case('cond and channel', function()
  local cond = fiber.cond()
  t.check('signal', switches(cond.signal, cond))
  t.check('broadcast', switches(cond.broadcast, cond))
  t.check('cond wait, timeout 0', switches(cond.wait, cond, 0))
  t.check('cond wait, a timeout', switches(cond.wait, cond, 0.001))
  local channel = fiber.channel(1)
  t.check('put, room', switches(channel.put, channel, 'x'))
  t.check('get, a message', switches(channel.get, channel))
  t.check('get, nothing there, a timeout', switches(channel.get, channel, 0.001))
  t.check('channel close', switches(channel.close, channel))
end)

os.exit(0)
