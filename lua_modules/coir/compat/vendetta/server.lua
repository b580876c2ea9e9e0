--- coir.compat.vendetta.server: remote calls over the line layer, the answering side. See client.lua for the lines.
local base = require 'coir.compat.base'
local fiber = require 'coir.fiber'
local tcpsock = require 'coir.compat.vendetta.tcpsock'
local wire = require 'coir.compat.vendetta.wire'

local server = {}

--- An error of a method as text.
local function error_text(problem)
  local meta = getmetatable(problem)
  if type(problem) ~= 'table' or type(meta) == 'table' and rawget(meta, '__tostring') then
    return base.show(problem)
  end
  local ok, text = pcall(wire.encode, problem)
  return ok and text or base.show(problem)
end

--- The line that answers a request, from what pcall returns.
local function answer(id, ok, ...)
  local content
  if ok then
    ok, content = pcall(wire.encode, { id = id, result = wire.pack(...) })
    if ok then return content end
    return wire.encode { id = id, error = content }
  end
  local problem = ...
  if fiber.is_cancelled(problem) then error(problem, 0) end
  return wire.encode { id = id, error = error_text(problem) }
end

local function perform(methods, conn, request)
  local method = methods[request.method]
  if method == nil then error(('no method %s'):format(base.show(request.method)), 0) end
  local params = request.params
  if params == nil or params == wire.null then params = {} end
  if type(params) ~= 'table' or #params == 0 and next(params) then error('params is no array', 0) end
  return method(conn, wire.unpack(params))
end

local function serve(methods, conn, request)
  local id = request.id
  if id == nil or id == wire.null then return perform(methods, conn, request) end
  conn:Send(answer(id, pcall(perform, methods, conn, request)) .. '\n')
end

--- Listens and answers requests with the functions in `methods`. Each request runs in a fiber of its own, so that
--- one that waits keeps no other. Raises the message when it cannot listen.
--- @param port number|string
--- @param methods table name to function(conn, ...); what it returns is the answer, what it raises the error
--- @param conn_handler? function gets each new conn, before its requests
--- @param disconn_handler? function gets the conn when the other side, or a failure, ends the connection
--- @return table tcp the listening TCPSocket
function server.make_server(port, methods, conn_handler, disconn_handler)
  return tcpsock.make_server(port, conn_handler, function(conn, line)
    local request = wire.decode(line)
    if type(request) ~= 'table' or type(request.method) ~= 'string' then return end
    base.spawn('rpc ' .. request.method:sub(1, 40), serve, methods, conn, request)
  end, disconn_handler)
end

return server
