// All words of the page, in English and Chinese.
const WORDS = {
  skip: ["Skip to the content", "跳到内容"],
  sections: ["Sections", "栏目"],
  stylise: ["Stylise", "风格化"],
  stylise_title: ["A photo in the style of a painting", "把照片变成画作的风格"],
  drop_photo: ["Drop photos here, paste one, or", "把照片拖到这里、粘贴，或者"],
  choose_photos: ["Choose photos", "选择照片"],
  camera: ["Take a photo", "拍照"],
  sample: ["Try an example", "试用示例照片"],
  private: [
    "Photos stay on the machine that serves this page and are removed after a day.",
    "照片只保存在提供本页面的机器上，一天后自动删除。",
  ],
  photos: ["Photos", "照片"],
  download: ["Download the picture", "下载图片"],
  all_photos: ["All {count} photos as a zip file", "将全部 {count} 张照片打包下载"],
  strength: ["Strength", "强度"],
  strokes: ["Stroke size", "笔触大小"],
  automatic: ["automatic", "自动"],
  colours: ["Colours", "颜色"],
  colours_style: ["of the style", "使用画作的颜色"],
  colours_own: ["the photo's own", "保留照片的颜色"],
  colours_palette: ["the photo's palette", "保留照片的色调"],
  second: ["Mix with", "混合另一风格"],
  nothing: ["nothing", "不混合"],
  mix: ["Share of the second style", "第二种风格的比例"],
  choose_style: ["Choose a style", "选择风格"],
  any_painting: ["Use any painting as a style", "用任意画作作为风格"],
  any_painting_more: ["Works at once, without learning.", "立即可用，无需学习。"],
  before: ["Photo", "照片"],
  after: ["Picture", "图片"],
  split: ["How much of the photo is uncovered", "露出原照片的比例"],
  photo_alt: ["Your photo", "您的照片"],
  picture_alt: ["Your photo in the chosen style", "所选风格的照片"],
  quick: ["quick", "快速"],
  kind_own: ["your own", "自己的"],
  kind_painting: ["your painting", "您的画作"],
  bringing: ["Sending {name} …", "正在上传 {name} ……"],
  working: ["Painting …", "正在绘制……"],
  making: ["Picture {number} of {count} …", "第 {number} 张，共 {count} 张……"],
  all_made: ["All {count} pictures are made.", "{count} 张图片已全部完成。"],
  made: ["Done: {width} × {height} pixels, {format}.", "完成：{width} × {height} 像素，{format}。"],
  learn: ["Learn a painting", "学习画作"],
  learn_title: ["Teach the machine a painting of yours", "让机器学习您的画作"],
  learn_more: [
    "It looks at the painting for some minutes. Then the painting is a style of yours, which repaints any photo at once and better than without learning.",
    "机器会花几分钟研究这幅画，之后它就成为您自己的风格，可立即重绘任何照片，效果胜过未经学习。",
  ],
  drop_painting: ["Drop a picture of a painting here, or", "把画作图片拖到这里，或者"],
  choose_painting: ["Choose a painting", "选择画作"],
  painting_alt: ["The painting", "画作"],
  name: ["Name", "名称"],
  how_long: ["How long should it learn?", "学习多长时间？"],
  minutes_5: ["5 minutes: quick", "5 分钟：快速"],
  minutes_10: ["10 minutes: better", "10 分钟：更好"],
  minutes_30: ["30 minutes: best", "30 分钟：最好"],
  crop: ["Learn a part of it only", "只学习其中一部分"],
  left: ["Cut off on the left", "裁去左侧"],
  right: ["Cut off on the right", "裁去右侧"],
  top: ["Cut off at the top", "裁去上方"],
  bottom: ["Cut off at the bottom", "裁去下方"],
  learn_now: ["Learn", "开始学习"],
  lessons: ["What is being learned, and what was", "正在学习和已学习的画作"],
  progress: ["Progress", "进度"],
  progress_alt: ["A photo, and how it is painted by now", "照片及目前的绘制效果"],
  state_queued: ["Waits, number {position} in the queue", "排队中，第 {position} 位"],
  state_running: ["At work", "进行中"],
  state_stopping: ["Stopping, and keeping what is done …", "正在停止并保存已完成的部分……"],
  state_stopped: ["Stopped", "已停止"],
  state_done: ["Done", "完成"],
  minutes_left: ["about {minutes} min left", "约剩 {minutes} 分钟"],
  step: ["step {step}", "第 {step} 步"],
  stop: ["Stop", "停止"],
  end: ["End at once", "立即结束"],
  continue: ["Continue", "继续"],
  delete: ["Delete", "删除"],
  use: ["Use it", "使用"],
  sure_end: ["End “{name}” at once? What it has done since it was last saved is lost.", "立即结束“{name}”？上次保存之后的内容会丢失。"],
  sure_delete: ["Delete “{name}” and all that it made?", "删除“{name}”及其全部结果？"],
  file_safetensors: ["Network (.safetensors)", "网络（.safetensors）"],
  file_onnx: ["ONNX", "ONNX"],
  file_png: ["Contact sheet", "样张"],
  losses_alt: ["How the losses fall from step to step", "损失随步数的变化"],
  loss_total: ["total", "总损失"],
  loss_content: ["content", "内容"],
  loss_style: ["style", "风格"],
  loss_tone: ["tone", "明暗"],
  loss_tv: ["noise", "噪点"],
  close: ["Close", "关闭"],
  api: ["The interface for programs (OpenAPI)", "程序接口（OpenAPI）"],
  no_server: ["The server does not answer: is it still running?", "服务器没有响应：它还在运行吗？"],
  no_token: ["Open the whole address that the server printed, with its token.", "请打开服务器显示的带令牌的完整地址。"],
  busy: ["Too many pictures are being made at once: try again in a minute.", "当前任务太多，请稍后再试。"],
  too_large: ["The file is larger than {size} MB, which is the limit here.", "文件超过 {size} MB 的上限。"],
};
// Names of the paintings that ship.
const NAMES = {
  "Starry night": ["The Starry Night", "星夜"],
  "The scream": ["The Scream", "呐喊"],
  "Composition vii": ["Composition VII", "构图七号"],
  "Delaunay metzinger": ["Delaunay: Metzinger", "德劳内：梅青格尔"],
  "Great wave": ["The Great Wave", "神奈川冲浪里"],
  "Klimt adele": ["Klimt: Adele", "克里姆特：阿黛尔"],
  "Mondrian composition": ["Mondrian", "蒙德里安"],
  "Monet parasol": ["Monet: Parasol", "莫奈：撑阳伞的女人"],
  "Seurat grande jatte": ["Seurat: La Grande Jatte", "修拉：大碗岛"],
  Shipwreck: ["Turner: Shipwreck", "透纳：海难"],
};

let now = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export const language = () => now;

export function choose(language) {
  now = language;
  localStorage.setItem("language", language);
}

// The words for a key, with {name} replaced by values.
export function t(key, values = {}) {
  const words = WORDS[key]?.[now === "zh" ? 1 : 0] ?? key;
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export const styleName = (style) =>
  style.kind === "shipped" ? (NAMES[style.name]?.[now === "zh" ? 1 : 0] ?? style.name) : style.name;
