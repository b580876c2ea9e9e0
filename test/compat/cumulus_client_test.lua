-- cumulus_client_test.lua: where CumulusServer's TCP clients differ from MonaServer's.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local loggers = require 'loggers'
local loopback = require 'loopback'
local cumulus = require 'coir.compat.cumulus'

local function client_and_peer(more)
  local listener, port = loopback.listener()
  local client, events = cumulus:createTCPClient(), {}
  function client:onReception(data)
    events[#events + 1] = data
    if more then return more(self, data) end
  end
  function client:onDisconnection(...) events[#events + 1] = { 'end', self.error, self.connected, select('#', ...) } end
  test.equal(select('#', client:connect('127.0.0.1', port)), 0)
  local peer = listener:accept()
  listener:close()
  return client, peer, events
end

test.case('connect returns nothing, or a message that is also in error', function()
  local client = cumulus:createTCPClient()
  for _, wrong in ipairs { { '127.0.0.1' }, { '127.0.0.1', 'x' }, { '127.0.0.1:80' }, { nil, 5 } } do
    local message = client:connect(table.unpack(wrong, 1, 2))
    test.equal({ type(message), client.error, client.connected }, { 'string', message, false })
  end
  local count = 0
  function client:onDisconnection() count = count + 1 end
  if not client:connect('127.0.0.1', 1) then test.eventually(function() return count == 1 end) end
  test.equal({ client.error, client.connected }, { 'Connection refused', false })
  local listener, port = loopback.listener()
  test.equal(client:connect('127.0.0.1', port), nil)
  test.equal({ client.error, client.connected, client.peerAddress }, { nil, true, '127.0.0.1:' .. port })
  return listener
end)

test.case('disconnect calls onDisconnection before it returns, once', function()
  local client, _, events = client_and_peer()
  client:disconnect()
  test.equal(events, { { 'end', nil, false, 2 } })
  test.equal({ client.connected, client.address, client.peerAddress }, { false })
  client:disconnect()
  test.settle()
  test.equal(#events, 1)
  return _
end)

test.case('disconnect inside a handler, and an error inside onDisconnection', function()
  local order = {}
  local client, peer = client_and_peer(function(self)
    order[#order + 1] = 'before'
    self:disconnect()
    order[#order + 1] = 'after'
  end)
  function client:onDisconnection()
    order[#order + 1] = 'event'
    error 'in onDisconnection'
  end
  loggers.take()
  peer:write 'x'
  test.eventually(function() return #order == 3 end)
  test.equal(order, { 'before', 'event', 'after' })
  test.match(table.concat(loggers.take()), 'in onDisconnection')
end)

test.case('what was sent before disconnect is delivered', function()
  local client, peer = client_and_peer()
  local data = ('0123456789'):rep(300000)
  client:send(data)
  client:disconnect()
  test.ok(peer:read(#data, 10) == data)
  test.equal(peer:read(nil, 5), '')
end)

test.case('nothing is received after disconnect', function()
  local client, peer, events = client_and_peer()
  client:disconnect()
  peer:write 'late'
  test.equal(peer:read(nil, 5), '')
  test.settle()
  test.equal(#events, 1)
end)

test.case('connect when connected disconnects first, with the event', function()
  local client, peer, events = client_and_peer()
  local listener, port = loopback.listener()
  test.equal(client:connect('127.0.0.1', port), nil)
  test.equal({ #events, client.connected, client.peerAddress }, { 1, true, '127.0.0.1:' .. port })
  test.equal(peer:read(nil, 5), '')
  local second <close> = listener:accept()
  second:write 'new'
  test.eventually(function() return #events == 2 end)
  test.equal(events[2], 'new')
end)

test.case('a part that is left over waits for new data', function()
  local _, peer, events = client_and_peer(function(_, data)
    local frame = data:match '^[^;]*;'
    return #data - (frame and #frame or 0)
  end)
  peer:write 'one;two;th'
  test.eventually(function() return #events == 1 end)
  test.settle()
  peer:write 'ree;'
  test.eventually(function() return #events == 2 end)
  test.equal(events, { 'one;two;th', 'two;three;' })
end)

test.case('more left over than there was is a warning, and all of it', function()
  local _, peer, events = client_and_peer(function(_, data) return #data + 1 end)
  loggers.take()
  peer:write 'ab'
  test.eventually(function() return #events == 1 end)
  peer:write 'cd'
  test.eventually(function() return #events == 2 end)
  test.equal(events, { 'ab', 'abcd' })
  local lines = loggers.take()
  test.equal(#lines, 2)
  test.match(lines[1], '^WARN TCPClient: onReception returned 3, more than the 2 bytes')
end)

test.case('results that are no number leave nothing over', function()
  for _, result in ipairs { 0, -5, 'x', false, 0 / 0 } do
    local _, peer, events = client_and_peer(function() return result end)
    peer:write 'ab'
    test.eventually(function() return #events == 1 end)
    peer:write 'cd'
    test.eventually(function() return #events == 2 end)
    test.equal(events, { 'ab', 'cd' })
  end
end)

test.case('send when not connected logs an error and returns nothing', function()
  local client = cumulus:createTCPClient()
  loggers.take()
  test.equal(client:send 'x', nil)
  test.equal(loggers.take(), { 'ERROR TCPClient not connected' })
  test.raises('must be a string', client.send, client, nil)
end)

test.case('the end by the peer, and by a reset', function()
  local _, peer, events = client_and_peer()
  peer:write 'bye'
  peer:close()
  test.eventually(function() return #events == 2 end)
  test.equal(events, { 'bye', { 'end', nil, false, 2 } })
  local client
  client, peer, events = client_and_peer()
  peer:linger(true, 0)
  peer:close()
  test.eventually(function() return #events == 1 end)
  test.equal(client.error, 'Connection reset by peer')
end)

test.finish()
