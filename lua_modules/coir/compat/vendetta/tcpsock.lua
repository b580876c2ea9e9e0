--- coir.compat.vendetta.tcpsock: Vendetta's line layer, with the interface of a1k0n's tcpsock.lua.
---
--- A *conn* is a table with the TCPSocket in `tcp` and a method Send; scripts may add fields. Handlers of one conn run
--- one after the other. None is called after the script's own `conn.tcp:Disconnect()`.
local base = require 'coir.compat.base'
local TCPSocket = require 'coir.compat.vendetta.tcp_socket'

local tcpsock = {}

local piece = 262144 -- bytes that are offered to the kernel at once

-- -- Output -----------------------------------------------------------------------------------------

--- Gives a conn the method Send, which never waits: what the kernel does not take is queued.
--- @return function flush sends what is queued
local function add_output(conn)
  local tcp = conn.tcp
  local queue, first, last, offset = {}, 1, 0, 1 -- the texts, and where in the first one to go on

  local function flush()
    while first <= last do
      local text = queue[first]
      local sent = tcp:Send(offset == 1 and #text <= piece and text
        or text:sub(offset, offset + piece - 1))
      if sent < 0 then break end
      offset = offset + sent
      if offset > #text then
        queue[first] = nil
        first, offset = first + 1, 1
      end
    end
    tcp:SetWriteHandler(first <= last and flush or nil)
  end

  --- Sends a text as it is: nothing is added. Returns nothing. Without a connection it is dropped.
  function conn:Send(text)
    if not tcp.socket and not tcp.connecting then return end
    last = last + 1
    queue[last] = tostring(text)
    if first == last and self.standing then flush() end
  end

  return flush
end

-- -- Input ------------------------------------------------------------------------------------------

--- @return function feed takes bytes and gives each line that they complete to the handler
local function line_splitter(conn, line_handler)
  local tcp, tail = conn.tcp, {}

  return function(data)
    local s, from = tcp.socket, 1
    local stop = data:find('\n', 1, true)
    if stop and tail[1] then
      tail[#tail + 1] = data
      data, tail = table.concat(tail), {}
      stop = data:find('\n', 1, true)
    end
    while stop do
      if line_handler then base.call(line_handler, conn, data:sub(from, stop - 1)) end
      if tcp.socket ~= s then return end -- disconnected by the script
      from = stop + 1
      stop = data:find('\n', from, true)
    end
    if from <= #data then tail[#tail + 1] = data:sub(from) end
  end
end

-- -- Connections ------------------------------------------------------------------------------------

--- Makes a conn of a TCPSocket that connects or is connected.
local function new_conn(tcp, conn_handler, line_handler, disconn_handler)
  local conn = { tcp = tcp }
  local flush = add_output(conn)
  local feed = line_splitter(conn, line_handler)

  local function receive()
    local data, code = tcp:Recv()
    if data then return feed(data) end
    if not code then return end
    tcp:Disconnect()
    if disconn_handler then disconn_handler(conn) end
  end

  tcp:SetWriteHandler(function()
    local problem = tcp:GetSocketError()
    if problem then
      tcp:Disconnect()
      if conn_handler then conn_handler(nil, problem) end
      return
    end
    conn.standing = true
    tcp:SetReadHandler(receive)
    flush()
    if conn_handler then conn_handler(conn) end
  end)
  return conn
end

--- Starts to connect.
--- @param host string
--- @param port number|string
--- @param conn_handler? function gets the conn when the connection stands, or `nil, message`
--- @param line_handler? function gets the conn and each line, without its newline
--- @param disconn_handler? function gets the conn when the other side, or a failure, ends the connection
--- @return any conn what conn_handler returns, if connecting fails at once
function tcpsock.make_client(host, port, conn_handler, line_handler, disconn_handler)
  local tcp = TCPSocket()
  local started, problem = tcp:Connect(host, port)
  if not started then
    if conn_handler then return conn_handler(nil, problem) end
    return nil
  end
  return new_conn(tcp, conn_handler, line_handler, disconn_handler)
end

--- Listens; each connection becomes a conn with these handlers. Raises the message when it cannot listen.
--- @param port number|string
--- @return table tcp the listening TCPSocket
function tcpsock.make_server(port, conn_handler, line_handler, disconn_handler)
  local tcp = TCPSocket()
  local listening, problem = tcp:Listen(port)
  if not listening then error(problem, 2) end
  tcp:SetConnectHandler(function()
    local accepted = tcp:Accept()
    if accepted then new_conn(accepted, conn_handler, line_handler, disconn_handler) end
  end)
  return tcp
end

return tcpsock
