-- vendetta_raw.lua: bench/echo.lua as a script for Vendetta's class TCPSocket. It prints `port N`.
--
-- Run it with `coir -l coir.compat.vendetta`; bench/run_echo compares it with the plain server.
local listening = TCPSocket()
assert(listening:Listen(0))
listening:SetConnectHandler(function()
  local connection = listening:Accept()
  if not connection then return end
  connection:SetReadHandler(function()
    local data, code = connection:Recv()
    if data then
      connection:Send(data)
    elseif code then
      connection:Disconnect()
    end
  end)
end)
print('port ' .. listening:GetSockName():match('%d+$'))
io.stdout:flush()
