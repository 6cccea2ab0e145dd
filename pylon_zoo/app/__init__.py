"""A page in the browser: drop an image, see what a model finds in it and where. What is drawn is apart from Gradio."""
