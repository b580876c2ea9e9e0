-- vendetta_load_test.lua: a thousand connections at once.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local vendetta = require 'vendetta'
local base = require 'coir.compat.base'
local crowd = require 'crowd'
local client = require 'coir.compat.vendetta.client'
local fiber = require 'fiber'
local server = require 'coir.compat.vendetta.server'
local tcpsock = require 'coir.compat.vendetta.tcpsock'
local TCPSocket = require('coir.compat.vendetta').TCPSocket
local test = require 'test'

base.log.sink = function() end -- handlers fail on purpose

--- Runs a case, and gives up the sockets that it has left.
local function case(sentence, body)
  test.case(sentence, function()
    body()
    for tcp in pairs(base.kept) do tcp:Disconnect() end
  end)
end

--- Echoes with the raw class. Handlers wait, and raise an error for what begins with `error`.
local function raw_server()
  local listening, port = vendetta.listener()
  listening:SetConnectHandler(function()
    local tcp = listening:Accept()
    if not tcp then return end
    tcp:SetReadHandler(function()
      local data, code = tcp:Recv()
      if code then return tcp:Disconnect() end
      if not data then return end
      fiber.sleep(0.005)
      if data:find('^error') then error(data) end
      tcp:Send(data)
    end)
  end)
  return port
end

--- Echoes lines. Handlers wait, and raise an error for what begins with `error`.
local function line_server()
  return vendetta.port(tcpsock.make_server(0, nil, function(conn, line)
    fiber.sleep(0.005)
    if line:find('^error') then error(line) end
    conn:Send(line .. '\n')
  end))
end

case('a thousand connections to the raw class', function() crowd.gather(raw_server(), 1000) end)

case('a thousand connections to the line layer', function() crowd.gather(line_server(), 1000) end)

case('a thousand connections of the raw class, to a server that resets some and refuses to answer others', function()
  local listener, port = vendetta.plain_listener()
  fiber.new(function()
    for i = 1, 1000 do
      local s = listener:accept()
      fiber.new(function()
        local line = s:readline()
        if i % 3 == 1 then vendetta.reset(s) return end
        if i % 3 == 2 then s:write(line) end
        s:close()
      end)
    end
  end)
  local group, ends = fiber.wait_group(), { answered = 0, ended = 0 }
  for i = 1, 1000 do
    group:add()
    local tcp = TCPSocket()
    tcp:SetWriteHandler(function()
      tcp:SetWriteHandler(nil)
      tcp:Send('line\n')
    end)
    tcp:SetReadHandler(function()
      local data, code = tcp:Recv()
      if data == 'line\n' then ends.answered = ends.answered + 1 end
      if code then
        ends.ended = ends.ended + 1
        tcp:Disconnect()
        group:done()
      end
      if i % 10 == 0 then error('in a handler') end
    end)
    tcp:Connect('127.0.0.1', port)
  end
  test.ok(group:wait(18))
  test.equal(ends.ended, 1000)
  test.equal(ends.answered, 333)
  listener:close()
end)

case('five hundred clients of one server of remote calls, twenty calls each', function()
  local listening = server.make_server(0, {
    add = function(_, a, b)
      if a % 7 == 0 then fiber.sleep(0.002) end
      return a + b
    end,
    fail = function() error('as asked') end,
  })
  local group, sum, failures = fiber.wait_group(), 0, 0
  for i = 1, 500 do
    local rpc = client.make_client('127.0.0.1', vendetta.port(listening))
    for call = 1, 10 do
      group:add()
      local run = call % 2 == 0 and fiber.new or function(f) coroutine.wrap(f)() end
      run(function()
        local answer = rpc:add(i, call)
        sum = sum + answer
        if not pcall(rpc.fail, rpc) then failures = failures + 1 end
        group:done()
      end)
    end
  end
  test.ok(group:wait(18))
  test.equal(sum, 10 * 500 * 501 // 2 + 500 * 55)
  test.equal(failures, 5000)
  listening:Disconnect()
end)

test.finish()
