-- mona_client_test.lua: MonaServer's TCP clients: connecting, sending and the end.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local loggers = require 'loggers'
local loopback = require 'loopback'
local mona_peers = require 'mona_peers'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local mona = require 'coir.compat.mona'

local client_and_peer, ended = mona_peers.client_and_peer, mona_peers.ended

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

test.finish()
