--- remote.lua: servers of remote calls, and clients of them, for the tests.
local vendetta = require 'vendetta'
local client = require 'coir.compat.vendetta.client'
local server = require 'coir.compat.vendetta.server'
local fiber = require 'fiber'

local remote = {}

local methods = {}
--- What every server of these tests can do.
remote.methods = methods

function methods.echo(_, ...) return ... end
function methods.count(_, ...) return select('#', ...) end
function methods.fail(_, ...) error(...) end
function methods.wait(_, seconds, value)
  fiber.sleep(seconds)
  return value
end
function methods:peer() return self.tcp:GetPeerName() end
function methods.lua_function() return print end

--- A server with these methods and a client of it. `body(rpc, port)` runs, and both are ended.
function remote.with(more, body)
  local listening = server.make_server(0, setmetatable(more, { __index = methods }))
  local rpc = client.make_client('127.0.0.1', vendetta.port(listening))
  local ok, problem = pcall(body, rpc, vendetta.port(listening))
  client.close(rpc)
  listening:Disconnect()
  if not ok then error(problem, 0) end
end

return remote
