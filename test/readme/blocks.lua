--- blocks.lua: the code blocks of a Markdown file.
local blocks = {}

--- Reads them. Each is {language =, mark =, text =, line =}: the first and second word behind the fence, the
--- text, and the number of its first line.
function blocks.read(path)
  local list, block, number = {}, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local words = line:match('^```(.*)$')
    if words and block then
      block.text = table.concat(block.lines, '\n') .. '\n'
      list[#list + 1] = block
      block = nil
    elseif words then
      local language, mark = words:match('^(%S*)%s*(%S*)$')
      block = { language = language, mark = mark, line = number + 1, lines = {} }
    elseif block then
      block.lines[#block.lines + 1] = line
    end
  end
  assert(not block, path .. ': the last block does not end')
  return list
end

return blocks
