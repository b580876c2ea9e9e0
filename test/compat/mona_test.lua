-- mona_test.lua: MonaServer's page: its samples, its loggers, and what onData returns.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. (arg[0]:match('^.*/') or './') .. '../lua/?.lua;'
  .. package.path
local test = require 'test'
local child = require 'child'
local loggers = require 'loggers'
local mona_peers = require 'mona_peers'
local fiber = require 'fiber'
local mona = require 'coir.compat.mona'

local NOTE, ERROR = mona.NOTE, mona.ERROR
local client_and_peer, port_of, ended = mona_peers.client_and_peer, mona_peers.port_of, mona_peers.ended

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

test.finish()
