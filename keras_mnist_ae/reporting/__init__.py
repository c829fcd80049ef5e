"""What a person looks at: pictures, text, the HTML report."""
