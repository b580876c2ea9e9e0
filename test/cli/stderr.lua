-- stderr.lua: the part of a program's messages that has to be the same under lua5.4 and coir.
--
-- Left out are the program's name, addresses, the lines of the usage text that tell of coir's own
-- options, and the C functions below the main chunk at the end of a traceback, of which a fiber may
-- have more. A traceback too long to be printed whole shows fewer Lua functions then, so a function
-- that stands in such a one several times counts once.

local names = { "lua5%.4", "lua", "coir" }

local function without_program_name(line)
  for _, name in ipairs(names) do
    local found
    line, found = line:gsub("^[^%s:]*" .. name .. ": ", "PROGRAM: ", 1)
    if found > 0 then
      return line
    end
    line = line:gsub("^usage: [^%s:]*" .. name .. " ", "usage: PROGRAM ", 1)
  end
  return line
end

local function normal(line)
  line = without_program_name(line):gsub("0x%x+", "0x")
  return (line:gsub("%(skipping %d+ levels%)", "(skipping levels)"))
end

local function is_frame(line)
  return line ~= nil and line:sub(1, 1) == "\t"
end

local function is_own_option(line)
  return line:find("^  %-%-%a") ~= nil
end

local function drop_trailing_c_frames(lines)
  while lines[#lines] == "\t[C]: in ?" do
    lines[#lines] = nil
  end
end

local function messages_and_frames(text)
  local shortened = text:find("(skipping", 1, true) ~= nil
  local lines, seen = {}, {}
  for line in text:gmatch("[^\n]+") do
    line = normal(line)
    if not is_frame(line) then
      drop_trailing_c_frames(lines)
      seen = {}
    end
    if not is_own_option(line) and not (shortened and is_frame(line) and seen[line]) then
      lines[#lines + 1] = line
    end
    seen[line] = true
  end
  drop_trailing_c_frames(lines)
  return lines
end

local function messages(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    if not is_frame(line) and line ~= "stack traceback:" then
      lines[#lines + 1] = normal(line)
    end
  end
  return lines
end

--- @param text string what a program wrote to stderr
--- @param mode? "messages"|"ignored" `messages` leaves out tracebacks, `ignored` everything
--- @return string shape
return function(text, mode)
  if mode == "ignored" then
    return ""
  end
  return table.concat(mode == "messages" and messages(text) or messages_and_frames(text), "\n")
end
