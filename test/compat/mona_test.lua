-- mona_test.lua: MonaServer's page: its samples, TCP clients and servers.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local loggers = require 'loggers'
local loopback = require 'loopback'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local mona = require 'coir.compat.mona'

local NOTE, ERROR = mona.NOTE, mona.ERROR

local function port_of(address) return math.tointeger(tonumber(address:match ':(%d+)$')) end

--- A client that is connected, the socket of ours at its other end, and the list of its events.
local function client_and_peer(more)
  local listener, port = loopback.listener()
  local client, events = mona:createTCPClient(), {}
  function client:onData(data)
    events[#events + 1] = data
    if more then return more(self, data) end
  end
  function client:onDisconnection(peer, err) events[#events + 1] = { 'end', peer, err } end
  test.equal({ client:connect('127.0.0.1', port) }, { true })
  local peer = listener:accept()
  listener:close()
  return client, peer, events
end

local function ended(events)
  return type(events[#events]) == 'table'
end

-- -- The samples --------------------------------------------------------------------------------------

test.case("the page's TCP server and client talk to each other", function()
  -- The server. Changed: port 0 instead of 1234, and locals instead of globals.
  local server = mona:createTCPServer()
  function server:onConnection(client)
    -- Here we have a TCPClient object, same usage than TCPClient
    function client:onData(data)
      NOTE("Reception from "..self.peerAddress.." to "..self.address)
      self:send(data) -- echo sample
      return 0 -- return rest (all has been consumed here)
    end
    function client:onDisconnection()
      NOTE("TCP client disconnection")
    end
  end
  server:start(0); -- start the server on the port 1234
  local port = port_of(server.address)

  -- The client. Changed: the sample echoes what it gets, for ever against an echo server: it stops
  -- here after three messages. What stands for `...` in the sample sends the first and waits.
  local socket, count = mona:createTCPClient(), 0
  local done = fiber.cond()
  function socket:onData(data)
    NOTE("Reception from "..self.peerAddress.." to "..self.address)
    count = count + 1
    if count < 3 then self:send(data) else done:signal() end -- echo sample
    return 0 -- return rest (all has been consumed here)
  end
  function socket:onDisconnection()
    if self.error then -- error? or normal disconnection?
      ERROR(self.error)
    end
    NOTE("TCP disconnection")
    done:signal()
  end
  local err = socket:connect("localhost",port)
  if err then ERROR("Unable to connect to localhost:1234") end
  socket:send('hello')
  done:wait()
  if socket.connected then -- useless if already disconnected
    socket:disconnect()
  end
  done:wait()

  local lines = loggers.take()
  -- `connect` returns true when it has started, as the page's text says; its sample takes that for
  -- an error.
  test.equal(lines[1], 'ERROR Unable to connect to localhost:1234')
  table.remove(lines, 1)
  test.equal(#lines, 8)
  for i = 1, 6 do
    test.match(lines[i], '^NOTE Reception from 127%.0%.0%.1:%d+ to 127%.0%.0%.1:%d+$')
  end
  table.sort(lines)
  test.equal({ lines[7], lines[8] }, { 'NOTE TCP client disconnection', 'NOTE TCP disconnection' })
  test.equal(socket.connected, false)
  server:stop()
end)

test.case('-l coir.compat.mona runs a script of globals as it stands', function()
  local result = child.run([[
    server = mona:createTCPServer()
    function server:onConnection(client)
      function client:onData(data)
        NOTE("Reception from "..self.peerAddress.." to "..self.address)
        self:send(data) -- echo sample
        return 0 -- return rest (all has been consumed here)
      end
      function client:onDisconnection()
        NOTE("TCP client disconnection")
        server:stop()
      end
    end
    server:start(0);
    socket = mona:createTCPClient()
    function socket:onData(data)
      INFO(data.length, true, 1.0, unpack { "five", "one" })
      self:disconnect()
    end
    socket:connect("localhost:" .. server.address:match "%d+$")
    socket:send("x")
  ]], '-l', 'coir.compat.mona')
  test.equal({ result.how, result.code, result.out }, { 'exit', 0, '' })
  test.match(result.err, '^NOTE Reception from 127.0.0.1:%d+ to 127.0.0.1:%d+\n'
    .. 'INFO %(null%)%(true%)1fiveone\nNOTE TCP client disconnection\n$')
end)

test.case('requiring it sets no globals, install(env) sets those of env', function()
  local env = {}
  mona.install(env)
  test.equal(rawget(_G, 'mona'), nil)
  test.equal(env.mona, mona)
  for _, name in ipairs { 'NOTE', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE' } do
    test.equal({ name, type(env[name]), env[name] == mona[name] }, { name, 'function', true })
  end
end)

-- -- Loggers ------------------------------------------------------------------------------------------

test.case('loggers take anything, return nothing, and have levels', function()
  loggers.take()
  local object = setmetatable({}, { __tostring = function() return 'object' end })
  local broken = setmetatable({}, { __tostring = function() error 'broken' end })
  test.equal(select('#', NOTE('a', 1, 2.5, 3.0, nil, true, object)), 0)
  ERROR(nil)
  ERROR()
  mona.WARN({}, broken)
  mona.DEBUG 'not shown at level INFO'
  local lines = loggers.take()
  test.equal({ lines[1], lines[2], lines[3] }, { 'NOTE a12.53(null)(true)object', 'ERROR (null)', 'ERROR ' })
  test.match(lines[4], '^WARN table_0x%x+table_0x%x+$')
  test.equal(#lines, 4)
  mona.log.level = 8
  mona.DEBUG 'd'
  mona.TRACE 't'
  mona.log.level = 3
  mona.WARN 'w'
  mona.ERROR 'e'
  mona.log.level = 6
  test.equal(loggers.take(), { 'DEBUG d', 'TRACE t', 'ERROR e' })
end)

test.case('a sink that fails hurts nobody', function()
  local sink = mona.log.sink
  mona.log.sink = error
  NOTE 'x'
  mona.log.sink = sink
end)

-- -- onData -------------------------------------------------------------------------------------------

--- Sends pieces to a client whose handler returns what `more` does, and gives what it was called
--- with.
local function offered(pieces, more)
  local client, peer, events = client_and_peer(more)
  for _, piece in ipairs(pieces) do
    local before = #events
    peer:write(piece)
    test.eventually(function() return #events > before end)
  end
  peer:close()
  test.eventually(function() return ended(events) end)
  table.remove(events)
  return events, client
end

test.case('0, nothing, negative and what is no number: all is consumed', function()
  for _, result in ipairs { 0, -1, 'x', false, {}, 0.0, -math.huge, 0 / 0, '2' } do
    test.equal(offered({ 'ab', 'cd' }, function() return result end), { 'ab', 'cd' })
  end
  test.equal(offered({ 'ab', 'cd' }, function() end), { 'ab', 'cd' })
end)

test.case('#data: nothing is consumed, and what comes is put behind it', function()
  test.equal(offered({ 'ab', 'cd', 'ef' }, function(_, data) return #data end), { 'ab', 'abcd', 'abcdef' })
  test.equal(offered({ 'ab', 'cd' }, function(_, data) return #data + 5 end), { 'ab', 'abcd' })
  test.equal(offered({ 'ab', 'cd' }, function() return math.huge end), { 'ab', 'abcd' })
end)

test.case('a part: the last bytes are offered again at once, one frame per call', function()
  test.equal(offered({ 'one;two;th', 'ree;' }, function(_, data)
    local frame = data:match '^[^;]*;'
    return #data - (frame and #frame or 0)
  end), { 'one;two;th', 'two;th', 'th', 'three;' })
  test.equal(offered({ 'abc' }, function(_, data) return #data - 1 end), { 'abc', 'bc', 'c' })
  test.equal(offered({ 'abcd' }, function(_, data) return #data == 4 and 1.9 or 0 end), { 'abcd', 'd' })
end)

test.case("onDataReturns = 'consumed' turns the meaning round", function()
  mona.onDataReturns = 'consumed'
  local frames = offered({ 'one;two;th', 'ree;' }, function(_, data)
    local frame = data:match '^[^;]*;'
    return frame and #frame or 0
  end)
  local nothing = offered({ 'ab', 'cd' }, function() end)
  local waiting = offered({ 'ab', 'cd' }, function() return 0 end)
  local too_many = offered({ 'ab', 'cd' }, function() return 99 end)
  mona.onDataReturns = 'rest'
  test.equal(frames, { 'one;two;th', 'two;th', 'th', 'three;' })
  test.equal(nothing, { 'ab', 'cd' })
  test.equal(waiting, { 'ab', 'abcd' })
  test.equal(too_many, { 'ab', 'cd' })
end)

test.case('without a handler data is discarded; one that is set later gets what comes later', function()
  local client, peer, events = client_and_peer()
  client.onData = nil
  peer:write 'lost'
  test.eventually(function() return client.idleTime >= 0 and peer:getsockopt('tcp', 'TCP_INFO').unacked == 0 end)
  test.settle()
  function client:onData(data) events[#events + 1] = 'later ' .. data end
  peer:write 'seen'
  test.eventually(function() return #events > 0 end)
  test.equal(events, { 'later seen' })
end)

test.case('a handler may replace and remove itself', function()
  local events = offered({ 'a', 'b' }, function(self)
    local first = self.onData
    function self.onData(...)
      self.onData = first
      return first(...)
    end
  end)
  test.equal(events, { 'a', 'b' })
end)

test.case('an error in a handler is logged, and the connection goes on', function()
  loggers.take()
  local client, peer, events = client_and_peer(function(_, data)
    if data == 'bad' then error 'handler failed' end
  end)
  peer:write 'bad'
  test.eventually(function() return #events == 1 end)
  peer:write 'good'
  test.eventually(function() return #events == 2 end)
  test.equal({ events[2], client.connected }, { 'good', true })
  local lines = loggers.take()
  test.equal(#lines, 1)
  test.match(lines[1], '^ERROR .*handler failed\nstack traceback:')
end)

test.case('more left over than maxPending ends the connection', function()
  mona.maxPending = 1000
  local client, peer, events = client_and_peer(function(_, data) return #data end)
  peer:write(('x'):rep(5000))
  test.eventually(function() return ended(events) end)
  mona.maxPending = 16 << 20
  test.match(client.error, '5000 bytes are left over, more than maxPending')
  test.equal(client.connected, false)
end)

test.case('a handler that waits gets its next data afterwards, and holds nobody else up', function()
  local order = {}
  local _, slow_peer, slow = client_and_peer(function(_, data)
    order[#order + 1] = 'begin ' .. data
    fiber.sleep(0.05)
    order[#order + 1] = 'end ' .. data
  end)
  local _, fast_peer, fast = client_and_peer(function() order[#order + 1] = 'fast' end)
  slow_peer:write 'a'
  test.eventually(function() return #slow == 1 end)
  slow_peer:write 'b'
  fast_peer:write 'x'
  test.eventually(function() return #order == 5 end)
  test.equal(order, { 'begin a', 'fast', 'end a', 'begin b', 'end b' })
  return fast
end)

-- -- Connecting ---------------------------------------------------------------------------------------

test.case('connect returns true, and false with a message and a log when it fails at once', function()
  local client = mona:createTCPClient()
  local count = 0
  function client:onDisconnection() count = count + 1 end
  loggers.take()
  for _, wrong in ipairs { { '127.0.0.1' }, { '127.0.0.1', 'x' }, { '127.0.0.1', 70000 }, { nil, 80 }, { '', 80 },
                           { '300.1.1.1', 80 }, { {}, 80 } } do
    local ok, message = client:connect(wrong[1], wrong[2])
    test.equal({ ok, type(message) }, { false, 'string' })
    test.match(table.concat(loggers.take()), '^ERROR Unable to connect to ')
    test.equal({ client.connected, client.error }, { false, message })
  end
  test.settle()
  test.equal(count, 0)
end)

test.case('refused: false at once with the text, or the event', function()
  local client = mona:createTCPClient()
  local seen
  function client:onDisconnection(_, err) seen = err end
  local ok, message = client:connect('127.0.0.1', 1)
  if ok then test.eventually(function() return seen end) end
  test.equal(seen or message, 'Connection refused')
  test.equal({ client.error, client.connected }, { 'Connection refused', false })
  local listener, port = loopback.listener()
  client:connect('127.0.0.1', port)
  test.equal({ client.error, client.connected }, { nil, true })
  return listener
end)

test.case('a handshake that fails later: one event, with the error', function()
  -- The queue of this listener is full, so that the client hangs in its handshake; once the
  -- listener is gone the kernel's next attempt is refused.
  local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  listener:bind('127.0.0.1', 0)
  listener:listen(0)
  local port = listener:name().port
  local fillers, client = {}, mona:createTCPClient()
  local events = {}
  function client:onDisconnection(peer, err) events[#events + 1] = { peer, err, self.connected, self.error } end
  for i = 1, 4 do
    fillers[i] = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    fillers[i]:nonblock(true)
    fillers[i]:sysconnect('127.0.0.1', port)
  end
  test.equal({ client:connect('127.0.0.1', port) }, { true })
  test.equal({ client.connected, client.peerAddress }, { true, '127.0.0.1:' .. port })
  test.equal(client:send('queued'), nil)
  for i = 1, 4 do fillers[i]:close() end
  listener:close()
  test.eventually(function() return #events == 1 end)
  test.settle()
  test.equal(events, { { '127.0.0.1:' .. port, 'Connection refused', false, 'Connection refused' } })
end)

test.case('disconnect during the handshake ends it at once, without an error', function()
  local listener = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
  listener:bind('127.0.0.1', 0)
  listener:listen(0)
  local fillers, client, events = {}, mona:createTCPClient(), {}
  for i = 1, 4 do
    fillers[i] = assert(socket('AF_INET', 'SOCK_STREAM', 'tcp'))
    fillers[i]:nonblock(true)
    fillers[i]:sysconnect('127.0.0.1', listener:name().port)
  end
  function client:onDisconnection(_, err) events[#events + 1] = { err } end
  client:connect('127.0.0.1', listener:name().port)
  fiber.yield()
  client:disconnect()
  test.equal(events, {})
  test.eventually(function() return #events == 1 end)
  test.equal({ events, client.error, client.connected }, { { {} }, nil, false })
end)

test.case('host and port: two arguments, one string, localhost, IPv6, objects', function()
  local listener, port = loopback.listener()
  local listener6, port6 = loopback.listener('::1')
  for _, where in ipairs { { '127.0.0.1', port }, { '127.0.0.1', tostring(port) }, { '127.0.0.1:' .. port },
                           { 'localhost', port }, { 'localhost:' .. port },
                           { mona:createSocketAddress('127.0.0.1', port) },
                           { mona:createIPAddress('127.0.0.1'), port } } do
    local client = mona:createTCPClient()
    test.ok(client:connect(table.unpack(where)))
    test.equal(client.peerAddress, '127.0.0.1:' .. port)
    test.ok(listener:accept(5))
  end
  for _, where in ipairs { { '::1', port6 }, { '[::1]', port6 }, { '[::1]:' .. port6 } } do
    local client = mona:createTCPClient()
    test.ok(client:connect(table.unpack(where)))
    test.equal(client.peerAddress, '[::1]:' .. port6)
    test.match(client.address, '^%[::1%]:%d+$')
    test.ok(listener6:accept(5))
  end
end)

test.case('addresses: text while connected, nil otherwise', function()
  local client = mona:createTCPClient()
  test.equal({ client.address, client.peerAddress, client.connected, client.idleTime, client.error },
    { nil, nil, false, 0, nil })
  local peer, events
  client, peer, events = client_and_peer()
  test.equal(client.address, tostring(peer:peer()))
  test.equal(client.peerAddress, tostring(peer:name()))
  peer:close()
  test.eventually(function() return ended(events) end)
  test.equal({ client.address, client.peerAddress }, { nil, nil })
end)

test.case('addressObjects gives objects that concatenate, compare, and go wherever an address goes', function()
  local client, peer = client_and_peer()
  mona.addressObjects = true
  local address = client.peerAddress
  mona.addressObjects = false
  local name = peer:name()
  test.equal({ address.host, address.port, address.isIPv6, address.value, tostring(address) },
    { name.host, name.port, false, tostring(name), tostring(name) })
  test.equal('to ' .. address .. '!', 'to ' .. tostring(name) .. '!')
  test.ok(address == mona:createSocketAddress(tostring(name)))
  test.ok(address ~= mona:createSocketAddress('127.0.0.1:1'))
  test.equal(mona:createSocketAddress('[::1]:5').isIPv6, true)
  return client
end)

test.case('what is no address gives nil and a message', function()
  for _, wrong in ipairs { { 'host', 5 }, { '127.0.0.1' }, { '127.0.0.1', 'x' }, { nil } } do
    local address, message = mona:createSocketAddress(table.unpack(wrong))
    test.equal({ address, type(message) }, { nil, 'string' })
  end
  test.equal({ mona:createIPAddress('name') }, { nil, 'name is no IP address' })
  test.equal(mona:createIPAddress('::1').host, '::1')
  test.equal(mona:createSocketAddressWithDNS('localhost', 80).value, '127.0.0.1:80')
  test.equal(mona:createIPAddressWithDNS('localhost').value, '127.0.0.1')
  test.equal(select('#', mona:createSocketAddressWithDNS('localhost')), 2)
  local now = mona:time()
  test.ok(math.type(now) == 'integer' and math.abs(now / 1000 - os.time()) < 5)
end)

test.case('connecting again drops the old connection without an event', function()
  local client, peer, events = client_and_peer()
  local listener, port = loopback.listener()
  test.ok(client:connect('127.0.0.1', port))
  local second = listener:accept()
  test.equal(peer:read(nil, 5), '')
  peer:close()
  test.equal(client.peerAddress, '127.0.0.1:' .. port)
  second:write 'new'
  test.eventually(function() return #events > 0 end)
  test.equal(events, { 'new' })
end)

test.case('connecting again inside onDisconnection', function()
  local listener, port = loopback.listener()
  local client, count = mona:createTCPClient(), 0
  function client:onDisconnection()
    count = count + 1
    if count < 3 then test.ok(self:connect('127.0.0.1', port)) end
  end
  client:connect('127.0.0.1', port)
  for _ = 1, 3 do listener:accept(5):close() end
  test.eventually(function() return count == 3 end)
  test.equal(client.connected, false)
end)

-- -- Sending and the end ------------------------------------------------------------------------------

test.case('send never waits: what the kernel does not take is queued, and arrives in order', function()
  local client, peer = client_and_peer()
  local parts = {}
  for i = 1, 40 do
    parts[i] = ('%d,'):format(i):rep(30000)
    test.equal(select('#', client:send(parts[i])), 0)
  end
  local whole = table.concat(parts)
  client:disconnect()
  test.ok(peer:read(#whole, 15) == whole)
  test.equal(peer:read(nil, 5), '')
end)

test.case('send during the handshake, empty, numbers, and what cannot be sent', function()
  local listener, port = loopback.listener()
  local client = mona:createTCPClient()
  test.equal(client:send('x'), 'not connected')
  client:connect('127.0.0.1', port)
  test.equal({ client:send('early '), client:send(''), client:send(5) }, {})
  local peer = listener:accept()
  test.equal(peer:read(7, 5), 'early 5')
  test.raises('data to send must be a string, not nil', client.send, client, nil)
  test.raises('must be a string, not table', client.send, client, {})
  test.raises('colon', client.send, 'x')
end)

test.case('disconnect ends the sending side only; the event comes when the peer ends its side', function()
  local client, peer, events = client_and_peer()
  client:send 'last words'
  client:disconnect()
  client:disconnect()
  test.equal({ client.connected, client:send('late') }, { true, 'not connected' })
  test.equal(peer:read(nil, 5), 'last words')
  peer:write 'an answer'
  test.eventually(function() return #events == 1 end)
  test.equal({ events[1], client.connected }, { 'an answer', true })
  local address = client.peerAddress
  peer:close()
  test.eventually(function() return ended(events) end)
  test.equal(events[2], { 'end', address })
  client:disconnect()
  test.settle()
  test.equal({ #events, client.error, client.connected }, { 2, nil, false })
end)

test.case('a peer that never ends its side is given up after lingerTime', function()
  mona.lingerTime = 0.05
  local client, peer, events = client_and_peer()
  client:disconnect()
  test.eventually(function() return ended(events) end)
  mona.lingerTime = 60
  test.equal({ client.error, peer:read(nil, 5) }, { nil, '' })
end)

test.case('a reset is an error with the system\'s text', function()
  local client, peer, events = client_and_peer()
  peer:linger(true, 0)
  peer:close()
  test.eventually(function() return ended(events) end)
  test.equal({ events[1][3], client.error }, { errno.strerror(errno.ECONNRESET), errno.strerror(errno.ECONNRESET) })
end)

test.case('a reset while much is queued ends it, once', function()
  local client, peer, events = client_and_peer()
  for _ = 1, 100 do client:send(('x'):rep(100000)) end
  peer:linger(true, 0)
  peer:close()
  test.eventually(function() return ended(events) end)
  test.settle()
  test.equal(#events, 1)
  test.ok(client.error)
  test.equal(client:send('x'), 'not connected')
end)

test.case('the peer\'s end comes after its data, and what was queued still goes out', function()
  local client, peer, events = client_and_peer()
  local data = ('0123456789'):rep(300000)
  client:send(data)
  peer:write 'bye'
  peer:shutdown('W')
  test.eventually(function() return ended(events) end)
  test.equal(events[1], 'bye')
  test.ok(peer:read(#data, 10) == data)
end)

test.case('idleTime is in milliseconds and begins anew with each byte', function()
  local client, peer, events = client_and_peer()
  fiber.sleep(0.05)
  test.ok(client.idleTime >= 50 and client.idleTime < 5000)
  client:send 'x'
  test.ok(client.idleTime < 50)
  fiber.sleep(0.05)
  peer:write 'y'
  test.eventually(function() return #events == 1 end)
  test.ok(client.idleTime < 50)
  test.equal(math.type(client.idleTime), 'integer')
end)

test.case('objects take fields; a read-only property that is assigned is hidden', function()
  local client = mona:createTCPClient()
  client.number = 7
  test.equal({ client.number, client.connected, client.nothing }, { 7, false, nil })
  client.connected = 'mine'
  test.equal(client.connected, 'mine')
end)

-- -- Server -------------------------------------------------------------------------------------------

test.case('start: every form of address', function()
  local free = loopback.listener()
  local port = free:name().port
  free:close()
  for _, form in ipairs { { { 0 }, '^0%.0%.0%.0:%d+$' }, { { '0' }, '^0%.0%.0%.0:%d+$' },
                          { { '127.0.0.1', 0 }, '^127%.0%.0%.1:%d+$' }, { { '127.0.0.1:0' }, '^127%.0%.0%.1:%d+$' },
                          { { '[::1]:0' }, '^%[::1%]:%d+$' }, { { 'localhost', 0 }, '^127%.0%.0%.1:%d+$' },
                          { { mona:createSocketAddress('127.0.0.1', port) }, '^127%.0%.0%.1:' .. port .. '$' } } do
    local server = mona:createTCPServer()
    test.equal({ server.running, server.address }, { false, '0.0.0.0:0' })
    test.equal({ server:start(table.unpack(form[1])) }, { true })
    test.match(server.address, form[2])
    test.equal(server.running, true)
    server:stop()
    server:stop()
    test.equal({ server.running, server.address }, { false, '0.0.0.0:0' })
  end
end)

test.case('start again: true on the same address, moves to another', function()
  local server = mona:createTCPServer()
  server:start('127.0.0.1', 0)
  local address = server.address
  test.equal({ server:start(address), server.address }, { true, address })
  test.equal({ server:start('127.0.0.1', 0), server.address }, { true, address })
  server:start('0.0.0.0:0')
  test.ok(server.address ~= address)
  local other = mona:createTCPServer()
  test.ok(other:start(address), 'the old port is free')
  other:stop()
  server:stop()
end)

test.case('a taken port and nonsense give false and a log', function()
  local _, port = loopback.listener()
  loggers.take()
  for _, wrong in ipairs { { '127.0.0.1', port }, { '127.0.0.1' }, { 'x' }, { 70000 }, { -1 }, { nil },
                           { '127.0.0.1', 'x' } } do
    local server = mona:createTCPServer()
    test.equal({ server:start(table.unpack(wrong, 1, 2)) }, { false })
    test.equal(server.running, false)
    local lines = loggers.take()
    test.equal(#lines, 1)
    test.match(lines[1], '^ERROR Unable to start the TCPServer, ')
  end
  return _
end)

test.case('without onConnection a connection is closed at once', function()
  local server = mona:createTCPServer()
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  test.equal(s:read(nil, 5), '')
  server:stop()
end)

test.case('clients outlive the server\'s stop', function()
  local server, got = mona:createTCPServer(), {}
  function server:onConnection(client)
    test.equal({ client.connected, type(client.peerAddress) }, { true, 'string' })
    client:send 'welcome '
    function client:onData(data) self:send(data) end
    got[#got + 1] = client
  end
  server:start('127.0.0.1', 0)
  local port = port_of(server.address)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port)
  test.equal(s:read(8, 5), 'welcome ')
  server:stop()
  local refused = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  test.refused('ECONNREFUSED', refused:sysconnect('127.0.0.1', port))
  s:write 'still'
  test.equal(s:read(5, 5), 'still')
  test.equal(#got, 1)
end)

test.case('an error in onConnection is logged and the connection stands', function()
  local server = mona:createTCPServer()
  loggers.take()
  function server:onConnection(client)
    function client:onData(data) self:send(data) end
    error 'in onConnection'
  end
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  s:write 'x'
  test.equal(s:read(1, 5), 'x')
  test.match(table.concat(loggers.take()), 'in onConnection')
  server:stop()
end)

test.case('onConnection runs before any data, also when it waits', function()
  local server, order = mona:createTCPServer(), {}
  function server:onConnection(client)
    fiber.sleep(0.02)
    order[#order + 1] = 'connection'
    function client:onData(data) order[#order + 1] = data end
  end
  server:start('127.0.0.1', 0)
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  s:sysconnect('127.0.0.1', port_of(server.address))
  s:write 'data'
  test.eventually(function() return #order == 2 end)
  test.equal(order, { 'connection', 'data' })
  server:stop()
end)

test.case('connections have TCP_NODELAY, listeners no SO_REUSEPORT', function()
  local server, other = mona:createTCPServer(), mona:createTCPServer()
  server:start('127.0.0.1', 0)
  test.equal(other:start(server.address), false)
  server:stop()
end)

test.finish()
